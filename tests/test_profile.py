"""A profile tells what each op takes: on Linux, on firmware as a process and on an emulated board."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import make_bundle
from mcu import BOARD, Process, make_image, make_mcu_bundle

from edgeq import cli, emulate
from edgeq.bench import bench
from edgeq.bundle import Bundle, canonical_json, write_bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import DeviceError, UsageError
from edgeq.interface import Interface, Tensor
from edgeq.profile import profile
from edgeq.protocol import cbor
from edgeq.protocol.status import Status
from edgeq.runtime import Model

OPS = ["CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
"""Of the model in `tests/cases/models`."""


@pytest.fixture
def process(firmware_process: Path, tmp_path: Path) -> Iterator[Process]:
    running = Process(firmware_process, tmp_path / "flash.bin")
    yield running
    running.kill()


@pytest.fixture
def linux(device: Device) -> Device:
    return device


def serve(device: Device, folder: Path) -> Bundle:
    facts = device.describe()
    bundle = make_mcu_bundle(folder / "tiny", target=facts["target"], arch=facts["arch"])
    deploy(bundle, device)
    return bundle


def ops(table: Any, key: str = "op") -> list[Any]:
    return [op.get(key) for op in table["ops"]]


def test_a_board_tells_the_ops_of_the_bundles_model(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        bundle = serve(device, tmp_path)
        found = profile(device, runs=3, bundle=bundle.folder)
    table = found.table
    assert (table["unit"], table["how"], table["runs"], found.release.n) == ("ns", "measured", 3, 1)
    assert ops(table) == OPS and ops(table, "index") == [0, 1, 2, 3, 4]
    assert {"conv_i8", "fc_i8"} <= set(ops(table, "kernel"))
    assert sum(ops(table, "share")) == pytest.approx(1)
    assert table["total"] == pytest.approx(sum(ops(table, "mid")))
    assert [bool(macs) for macs in ops(table, "macs")] == [True, True, False, True, False]
    assert not table["notes"]


def test_without_the_bundle_records_are_told_by_their_kernels(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        mine = serve(device, tmp_path)
        found = profile(device, runs=1)
        other = make_mcu_bundle(tmp_path / "other", target="host", arch="x", name="other").folder
        assert profile(device, runs=1, among=[other]).table["notes"] == found.table["notes"]
        with pytest.raises(UsageError, match="is not the bundle"):
            profile(device, runs=1, bundle=other)
        assert ops(profile(device, runs=1, among=[tmp_path / "none", other, mine.folder]).table) == OPS
    assert {"conv_i8", "fc_i8"} <= set(ops(found.table))
    assert ops(found.table, "index") == [None] * len(OPS)
    assert "The bundle is not here" in found.table["notes"][0]


def test_an_image_without_a_manifest_has_a_profile_too(process: Process) -> None:
    image = make_image(target="host")
    digest = hashlib.sha256(image).hexdigest()
    with open_device(process.address) as device:
        with pytest.raises(DeviceError, match="No release serves") as no:
            profile(device)
        assert no.value.status == Status.STATE
        device.put(digest, image, 0, lambda _: None)
        device.activate(device.stage(digest, []))
        assert profile(device).release.digest == digest


def test_linux_tells_which_op_runs_in_which_delegate(linux: Device, tmp_path: Path) -> None:
    deploy(make_bundle(tmp_path / "bundle"), linux)
    found = profile(linux, runs=4)
    own = profile(linux, runs=1, delegate="builtin", threads=2).table
    assert (set(ops(own, "kernel")), own["kernels"], own["threads"]) == ({"builtin"}, "builtin", 2)
    assert ops(found.table) == OPS and ops(found.table, "index") == [0, 1, 2, 3, 4]
    kernels = ops(found.table, "kernel")
    assert kernels[0].startswith("XNNPACK Convolution") and kernels[4] == "builtin"
    assert ops(found.table, "macs")[:2] == [4 * 4 * 4 * 9, 4 * 4 * 4 * 9]
    assert (found.table["runs"], found.table["unit"], found.table["how"]) == (4, "ns", "measured")
    assert found.table["source"].startswith("ai-edge-litert 2.3")


def test_a_bench_keeps_a_profile_which_is_shown_and_exported_again(
    linux: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(make_bundle(tmp_path / "bundle"), linux)
    bench(linux, runs=10, warmup=1, per_op=True).write(path := tmp_path / "run.json")
    line = ["edgeq", "profile", str(path), "--export", "benchmark_model", "-o", str(tmp_path), "--top", "2"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().out
    assert not ended.value.code
    assert told.startswith("tiny on memory: takes ") and "3 others" in told
    assert len(json.loads((tmp_path / "tiny.profiling.json").read_text())["runtime_profile"]["subgraph_profiles"]) == 1
    assert json.loads((tmp_path / "tiny.benchmark.json").read_text())["misc_metrics"]["num_runs"] == 10

    bench(linux, runs=10, warmup=1).write(path)
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == UsageError.exit_code
    assert "has no profile" in capsys.readouterr().err


def test_kernels_that_the_library_does_not_profile_are_refused(linux: Device, tmp_path: Path) -> None:
    golden = {"vectors": 4, "kernels": "reference", "tolerance": 127, "runtime": ""}
    deploy(make_bundle(tmp_path / "bundle", golden=golden), linux)
    with pytest.raises(DeviceError, match="profiles xnnpack and builtin kernels, not reference") as no:
        profile(linux)
    assert no.value.status == Status.UNSUPPORTED
    assert "interpreter, which has them, has no profiler" in no.value.message
    assert no.value.hint.startswith("Ops are told by ai-edge-litert 2.3")


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin"])
@pytest.mark.parametrize("name", ["kws_mlperf_int8", "ic_mlperf_int8", "kws_float"])
def test_the_ops_of_real_models_make_up_the_invoke(
    name: str, kernels: str, linux: Device, tmp_path: Path, shared_models: Path
) -> None:
    deploy(real_bundle(tmp_path / "bundle", shared_models / f"{name}.tflite", kernels), linux)
    table = profile(linux, runs=20).table
    assert not any("could not be told" in note for note in table["notes"])
    assert ops(table, "index") == list(range(len(table["ops"])))
    slowest = max(table["ops"], key=lambda op: op["mid"])
    assert slowest["op"] in ("CONV_2D", "DEPTHWISE_CONV_2D")
    # The profiler cuts each op to whole microseconds; what it costs itself lies outside of the ops.
    assert 0.5 * table["whole"] - 1000 * len(table["ops"]) < table["total"] < 1.25 * table["whole"]


def real_bundle(folder: Path, path: Path, kernels: str) -> Bundle:
    """A real model, and what this runtime makes of one random input."""
    model = Model(path, kernels=kernels)
    rng = np.random.default_rng(1)
    inputs = [tensor.encode(rng.normal(size=tensor.shape)) for tensor in model.inputs]
    made = make_bundle(folder / "tiny")
    members = {
        "model.tflite": path.read_bytes(),
        "interface.json": canonical_json(
            Interface(*(tuple(Tensor(*info) for info in part) for part in (model.inputs, model.outputs))).to_json()
        ),
        "golden.cbor": cbor.dumps({"inputs": [inputs], "outputs": [model.invoke(inputs)]}),
    }
    golden = {**made.manifest["golden"], "kernels": kernels, "vectors": 1}
    return write_bundle(folder / path.stem, members, {**made.manifest, "name": path.stem, "golden": golden})


def test_an_emulated_board_tells_instructions_and_exports_them(
    firmware_board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(firmware_board))
    bundle, out = tmp_path / "tiny", tmp_path / "out"
    line = ["edgeq", "profile", f"qemu:{BOARD}", "--json", "--runs", "2", "--bundle", str(bundle)]
    monkeypatch.setattr(sys, "argv", [*line, "--export", "model-explorer", "-o", str(out)])
    try:
        with open_device(f"qemu:{BOARD}") as device:
            serve(device, tmp_path)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        emulate.stop(BOARD)
    told = json.loads(capsys.readouterr().out)
    assert not ended.value.code
    table = told["profile"]
    assert (table["unit"], table["how"], ops(table)) == ("instructions", "emulated", OPS)
    assert all(op["min"] == op["max"] for op in table["ops"])
    assert table["whole"] == pytest.approx(table["total"] + table["between"])
    assert table["total"] == pytest.approx(table["whole"], rel=0.02)
    assert len(json.loads(Path(told["files"][0]).read_text())["main"]["results"]) == len(OPS)
