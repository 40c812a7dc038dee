"""A whole bench of the firmware as a process: its clock against the host's, its end, and its pin as a meter sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mcu import Process
from service import bundle_for

from edgeq.bench import bench
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.probe.power.gate import by_markers, by_pin, work_of
from edgeq.probe.power.meter import Capture
from edgeq.run import Run

STEP_S = 1e-6
"""Of the meter that these tests have."""


@pytest.fixture
def served(edges: Path, process: Process, tmp_path: Path) -> Iterator[Device]:
    """A process on which a bundle serves, with a pin."""
    with open_device(process.address) as device:
        deploy(bundle_for(device, tmp_path), device)
        yield device


def seen(edges: Path) -> Capture:
    """What a meter's digital input sees of them, from 1 ms before the first edge on."""
    rows = [(int(level), int(at) / 1e9) for level, at in map(str.split, edges.read_text().splitlines())]
    begin = rows[0][1] - 1e-3
    count = round((rows[-1][1] - begin + 1e-3) / STEP_S)
    pin = np.zeros(count, np.bool_)
    for level, at in rows:
        pin[round((at - begin) / STEP_S) :] = bool(level)
    t_s = np.arange(count) * STEP_S
    return Capture(t_s=t_s, power_mw=np.ones(count), pin=pin, step_s=STEP_S)


def codes(run: Run) -> set[str]:
    return {issue.code for issue in run.issues}


def test_a_meter_counts_the_inferences(served: Device, edges: Path) -> None:
    run = bench(served, runs=40, warmup=3)
    work = work_of(run.series)
    assert work
    found = by_pin(seen(edges), work)
    assert (found.pulses, found.inferences) == (1 + 3 + 40, 40)
    assert "rose" not in found.problem
    assert sum(work.steady_s) <= found.seconds


def test_its_clock_is_held_to_the_hosts(served: Device) -> None:
    run = bench(served, runs=10**6, warmup=3, seconds=1.0)
    assert run.environment["ended_by"] == "seconds"
    assert not {code for code in codes(run) if code.startswith("clock")}
    clock, invoke = run.one("clock"), run.one("invoke")
    assert clock and invoke
    device_s, host_s = (clock.values[-1] - clock.values[0]) / 1e9, clock.t_s[-1] - clock.t_s[0]
    assert host_s > 0.5
    assert device_s == pytest.approx(host_s, rel=0.02)
    assert list(invoke.t_s) == sorted(invoke.t_s)
    assert 0.5 < invoke.t_s[-1] - invoke.t_s[0] < 5


def test_markers_span_what_the_pin_does(served: Device, edges: Path) -> None:
    run = bench(served, runs=40, warmup=3)
    work = work_of(run.series)
    assert work
    capture = seen(edges)
    pin, markers = by_pin(capture, work), by_markers(capture, work)
    ((start, end),) = markers.windows
    assert end - start == pytest.approx(pin.windows[-1][1] - pin.windows[0][0], rel=0.1, abs=1e-3)


def test_it_ends_where_somebody_stops_it(served: Device) -> None:
    begun = time.monotonic()
    run = bench(served, runs=10**6, stopped=lambda: time.monotonic() > begun + 0.7)
    assert time.monotonic() - begun < 10
    assert "stopped_early" in codes(run)
    invoke = run.one("invoke")
    assert invoke and 0 < len(invoke.values) < 10**6
    assert bench(served, runs=30).environment["ended_by"] == "runs"


def test_it_ends_where_the_median_is_known(served: Device) -> None:
    run = bench(served, runs=10**6, rel_error=0.2, seconds=20.0)
    invoke = run.one("invoke")
    assert run.environment["ended_by"] == "rel_error"
    assert invoke and len(invoke.values) >= 30


def test_a_sustained_bench_tells_its_intervals(served: Device) -> None:
    told: list[str] = []
    run = bench(served, seconds=2.0, sustained=True, progress=told.append)
    invoke = run.one("invoke")
    assert run.environment["ended_by"] == "seconds"
    assert not {"stopped_early", "drifting"} & codes(run)
    assert invoke and len(invoke.t_s) == len(invoke.values)
    assert invoke.t_s[-1] - invoke.t_s[0] > 1.0
    assert sum("p50" in line for line in told) > 3
