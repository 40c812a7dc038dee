"""A bench keeps what it saw: device, release, raw samples, environment, how each figure was obtained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle

from edgeq.bench import bench
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import DeviceError, UsageError
from edgeq.run import read_run

EVALUATION = {"samples": 200, "float_accuracy": 0.855, "accuracy": 0.85, "agreement": 0.985, "drop": 0.005,
              "drop_low": -0.01, "drop_high": 0.02, "confidence": 0.95, "method": "paired bootstrap",
              "evaluated_on": "host", "data_sha256": "0" * 64}  # fmt: skip


def serve(device: Device, tmp_path: Path, **manifest: Any) -> str:
    bundle = make_bundle(tmp_path / "bundle", **manifest)
    deploy(bundle, device)
    return bundle.digest


def test_everything_is_kept_and_comes_back_from_its_file(device: Device, tmp_path: Path) -> None:
    digest = serve(device, tmp_path, evaluation=EVALUATION)
    lines: list[str] = []
    run = bench(device, name="bench", runs=150, warmup=10, progress=lines.append)
    counts = {series.name: (len(series.values), series.unit, series.how) for series in run.series}
    assert counts["invoke"] == (150, "ns", "measured")
    assert counts["warmup"] == (10, "ns", "measured")
    assert counts["init"] == counts["first_inference"] == (1, "ns", "measured")
    assert counts["rss_peak"] == (1, "bytes", "measured")
    assert (run.device["name"], run.device["address"], run.device["emulated"]) == ("bench", "memory:", False)
    assert (run.release["digest"], run.release["n"], run.release["evaluation"]) == (digest, 1, EVALUATION)
    assert run.release["golden"] == {"vectors": 4, "tolerance": 1, "worst": 0}
    assert run.plan.threads == 1
    assert any("measuring" in line for line in lines)
    run.write(tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == run


def test_an_emulated_device_s_figures_are_emulated_and_have_no_energy(device: Device, tmp_path: Path) -> None:
    serve(device, tmp_path, target="rpi4")
    device.describe().update(emulated=True, emulator="qemu-user namespaces")
    run = bench(device, runs=50, warmup=1)
    assert {series.how for series in run.series} == {"emulated", "estimated"}
    power = run.one("power")
    assert power
    assert (power.how, power.values, power.error_pct) == ("estimated", (3000.0,), 50)
    assert run.one("energy") is None
    assert "emulated" in [issue.code for issue in run.issues]


def test_the_same_device_measured_has_an_estimate_of_energy(device: Device, tmp_path: Path) -> None:
    serve(device, tmp_path, target="rpi4")
    energy = bench(device, runs=50, warmup=1).one("energy")
    assert energy
    assert (energy.how, energy.error_pct) == ("estimated", 50)


def test_a_meter_s_recording_is_replayed(device: Device, tmp_path: Path) -> None:
    serve(device, tmp_path)
    gated = [20 <= i < 80 for i in range(100)]
    rows = [f"{i / 100},{1000 if inside else 400},{int(inside)}" for i, inside in enumerate(gated)]
    (tmp_path / "meter.csv").write_text("\n".join(["t_s,power_mw,gate", *rows]))
    run = bench(device, runs=50, warmup=1, probes=[f"replay:{tmp_path / 'meter.csv'}?inferences=60"])
    power, energy = run.one("power"), run.one("energy")
    assert power
    assert energy
    assert (power.how, len(power.values)) == ("measured", 100)
    assert energy.values[0] == pytest.approx(600 * 0.59 / 60 * 1000, rel=0.02)


def test_what_cannot_be_measured_is_told(device: Device, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no release is active"):
        bench(device)
    serve(device, tmp_path, target="nowhere")
    with pytest.raises(UsageError, match="needs the target's profile"):
        bench(device, runs=10, probes=["t0:"])
    assert bench(device, runs=10).one("power") is None
