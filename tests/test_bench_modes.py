"""Ways to bench: until p50 is known, for a time, with another delegate, from end to end, beside another program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from bundles import make_bundle, tiny
from inmemory import device_at

from edgeq.bench import bench
from edgeq.deploy import deploy
from edgeq.device.benching import Seen
from edgeq.device.benching import bench as ask_bench
from edgeq.device.device import Device
from edgeq.errors import DeviceError, ProtocolError
from edgeq.preprocess import Raw, parse
from edgeq.preprocess.wire import encode_raw
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.run import Plan, Run, Series, read_run
from edgeq.runtime import Model

SHAPE = tiny()[1].inputs[0].shape
IMAGE = parse({"input": "image", "steps": [{"do": "scale", "multiply": 0.02, "add": -2.5}]})


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """One device for all, with a release that takes raw input."""
    folder = tmp_path_factory.mktemp("modes")
    raw = Raw(np.random.default_rng(1).integers(0, 256, SHAPE[1:], np.uint8))
    data, interface, _ = tiny()
    model = Model(data)
    outputs = model.invoke([model.inputs[0].encode(IMAGE.apply(raw).reshape(SHAPE))])
    made = make_bundle(
        folder / "bundle",
        interface=replace(interface, preprocess=IMAGE.to_json()),
        raw=[{**encode_raw(raw), "outputs": outputs}],
    )
    with device_at(folder / "store") as device:
        deploy(made, device)
        yield device


def series(run: Run, name: str) -> Series:
    found = run.one(name)
    assert found, name
    return found


def codes(run: Run) -> set[str]:
    return {issue.code for issue in run.issues}


def test_times_memory_and_clocks_of_an_ordinary_bench(device: Device, tmp_path: Path) -> None:
    run = bench(device, runs=300, warmup=20)
    invoke = series(run, "invoke")
    assert len(invoke.t_s) == len(invoke.values) == 300
    ends = [start + value / 1e9 for start, value in zip(invoke.t_s, invoke.values, strict=True)]
    assert all(end <= start + 1e-9 for end, start in zip(ends, invoke.t_s[1:], strict=False))
    assert invoke.t_s[0] * 1e9 > series(run, "init").values[0]
    assert series(run, "warm_load").values[0] > 0
    before, after, peak = (series(run, f"rss_{name}").values[0] for name in ("before", "after", "peak"))
    assert 0 < before <= after <= peak
    low, high = series(run, "pss_peak").values
    assert 0 < low <= high
    assert run.environment["ended_by"] == "runs"
    assert run.environment["delegate"] == "xnnpack"
    assert run.environment["model"]["sha256"] == run.environment["model"]["expected"]
    clock = series(run, "clock")
    assert (clock.values[-1] - clock.values[0]) / 1e9 == pytest.approx(clock.t_s[-1] - clock.t_s[0], abs=0.5)
    assert not codes(run) & {"clock_stopped", "clock_backwards", "clock_rate", "wrong_model", "clock_suspect"}
    run.write(tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == run


def test_until_p50_is_known_or_the_time_is_over(device: Device) -> None:
    run = bench(device, runs=10**6, warmup=5, rel_error=0.2, seconds=20)
    assert run.environment["ended_by"] == "rel_error"
    assert 30 <= len(series(run, "invoke").values) < 10**6
    run = bench(device, runs=10**6, warmup=5, seconds=0.3)
    assert run.environment["ended_by"] == "seconds"
    assert run.plan.seconds == 0.3
    t_s = series(run, "invoke").t_s
    assert 0.1 < t_s[-1] - t_s[0] < 5


def test_a_sustained_bench_tells_every_interval_and_reads_the_board(device: Device) -> None:
    said: list[str] = []
    run = bench(device, warmup=5, seconds=2.0, sustained=True, every_s=0.5, progress=said.append)
    assert any(" s: p50 " in line for line in said)
    assert run.plan.sustained
    load = series(run, "other_load")
    assert len(load.values) == len(load.t_s) >= 2
    assert all(0 <= value <= (os.cpu_count() or 1) + 0.5 for value in load.values)


def test_what_there_is_is_kept_when_somebody_stops_it(device: Device) -> None:
    said: list[str] = []
    how: dict[str, Any] = {"stopped": lambda: any(" s: p50 " in line for line in said), "progress": said.append}
    run = bench(device, warmup=5, seconds=20.0, sustained=True, **how)
    assert run.environment["ended_by"] == "stopped"
    assert len(series(run, "invoke").values) > 1
    assert series(run, "warm_load").values[0] > 0
    assert "stopped_early" in codes(run)


def test_another_delegate(device: Device) -> None:
    run = bench(device, runs=40, warmup=2, threads=2, delegate="reference")
    assert (run.plan.delegate, run.environment["delegate"], run.plan.threads) == ("reference", "reference", 2)
    with pytest.raises(DeviceError, match="no delegate 'npu'") as no:
        bench(device, runs=40, delegate="npu")
    assert "older" not in no.value.hint and "Leave the option away" in no.value.hint


def test_from_end_to_end(device: Device, tmp_path: Path) -> None:
    run = bench(device, runs=40, warmup=2, end_to_end=True)
    whole, before, after = (series(run, name) for name in ("end_to_end", "preprocess", "postprocess"))
    assert len(whole.values) == len(before.values) == len(after.values) >= 1
    assert all(a + b < c for a, b, c in zip(before.values, after.values, whole.values, strict=True))


def test_without_preprocessing_there_is_no_end_to_end(tmp_path: Path) -> None:
    with device_at(tmp_path / "store") as device:
        deploy(make_bundle(tmp_path / "bundle"), device)
        with pytest.raises(DeviceError, match="no way from end to end") as no:
            bench(device, runs=10, end_to_end=True)
    assert no.value.status == Status.UNSUPPORTED
    assert "older" not in no.value.hint


BUSY = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


def test_a_program_beside_it_degrades_it(device: Device) -> None:
    busy = [
        subprocess.Popen(["nice", "-n", "5", sys.executable, "-c", BUSY])
        for _ in range(max(1, (os.cpu_count() or 1) // 2))
    ]
    try:
        run = bench(device, warmup=5, runs=10**6, seconds=1.5, every_s=0.5)
    finally:
        for child in busy:
            child.kill()
            child.wait()
    assert run.verdict == "degraded"
    assert "other_load" in codes(run)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": -1},
        {"seconds": "1"},
        {"rel_error": 0.9},
        {"sustained": True},
        {"every_s": 0},
        {"runs": True},
        {"threads": 5000},
    ],
)
def test_the_agent_refuses_what_is_out_of_range(device: Device, wrong: dict[str, Any]) -> None:
    body = {"runs": 5, "warmup": 0, "threads": 0, **wrong}
    with pytest.raises(DeviceError) as no:
        device.client.request(contract.BENCH, body)
    assert no.value.status == Status.INVALID


def test_an_older_host_is_answered_as_ever(device: Device) -> None:
    job = device.client.request(contract.BENCH, {"runs": 5, "warmup": 2, "threads": 0})["job"]
    samples: list[int] = []
    while True:
        state = device.client.request(contract.JOB, {"job": job, "from": len(samples)})
        samples += state["samples"]
        assert "gaps" not in state
        assert "trace" not in state
        if state["state"] == "done":
            break
        time.sleep(0.02)
    assert (len(samples), state["result"]["warmup"]) == (7, 2)


@pytest.mark.parametrize(
    "spoilt",
    [{"gaps": [1]}, {"gaps": None}, {"trace": None}, {"warmup": -1}, {"warmup": 4}, {"warmup": None}, {"warmup": True}],
)
def test_a_damaged_bench_is_no_crash(spoilt: dict[str, Any]) -> None:
    class Damaged:
        address = "x:"

        def describe(self) -> dict[str, Any]:
            return {"bench": 1}

        def job(self, *_: Any, take: Any, **__: Any) -> dict[str, Any]:
            said = {"samples": [1, 2, 3], "gaps": [1, 1, 1], "trace": [], "warmup": 1, **spoilt}
            take(said, 0.0, 0.0)
            return {"warmup": said["warmup"]}

    with pytest.raises(ProtocolError, match="damaged bench"):
        ask_bench(cast(Any, Damaged()), Plan(2, 1, 0), lambda _: None)


def test_gaps_become_starts() -> None:
    seen = Seen()
    seen.add([10, 20], [5, 1])
    seen.add([30], [2])
    assert (seen.starts, seen.samples) == ([5, 16, 38], [10, 20, 30])
    for index in range(1000):
        seen.tick(index, index, index)
    assert (seen.clock[0][0], seen.clock[-1][0], len(seen.clock) <= 100) == (0, 999, True)
    seen.tick(None, 0, 0)
    assert seen.clock[-1][0] == 999
