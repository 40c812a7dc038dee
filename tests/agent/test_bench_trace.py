"""Readings during a bench: at the beginning, now and then, at the end; and what other programs take."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agents import until

from edgeq.agent.sensors import Place
from edgeq.agent.trace import Load, Trace

BUSY = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


def test_it_reads_at_both_ends_and_in_between() -> None:
    start = time.perf_counter_ns()
    with Trace(Load(), start, 0.05) as trace:
        until(lambda: len(trace.readings) >= 2)
    times = [reading["t_ns"] for reading in trace.readings]
    assert len(times) >= 3
    assert times == sorted(times)
    assert times[0] >= 0


def test_a_busy_program_is_other_load_unless_it_is_our_own() -> None:
    seen = {}
    for ours in (True, False):
        child = subprocess.Popen(["nice", "-n", "5", sys.executable, "-c", BUSY])
        try:
            before = time.process_time()
            with Trace(Load([child.pid] if ours else []), time.perf_counter_ns(), 0.7) as trace:
                time.sleep(1.5)
                until(lambda trace=trace, ours=ours: ours or max(loads(trace), default=0) > 0.3, 30)
            assert time.process_time() - before < 1
        finally:
            child.kill()
            child.wait()
        seen[ours] = loads(trace)
    # Others may be at work here too, so only what is sure is said: the busy one is seen.
    assert max(seen[False]) > 0.3
    assert all(0 <= load <= (os.cpu_count() or 1) + 0.5 for found in seen.values() for load in found)


def loads(trace: Trace) -> list[float]:
    return [reading["other_load"] for reading in list(trace.readings) if "other_load" in reading]


def test_ticks_of_our_own_are_taken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine was busy for 10 s, of which the model took 7 and this process 1."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    place = Place(str(tmp_path), lambda _: "")

    def tell(busy: int, model: int, agent: int) -> None:
        for path, text in (
            ("stat", f"cpu0 {busy} 0 0 5 0 0 0 0 0 0"),
            ("7/stat", f"7 (a) S {'0 ' * 10}{model} 0 0 0"),
            (f"{os.getpid()}/stat", f"8 (b) S {'0 ' * 10}{agent} 0 0 0"),
        ):
            (tmp_path / "proc" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "proc" / path).write_text(text + "\n")

    hz = os.sysconf("SC_CLK_TCK")
    tell(50, 20, 10)
    with Trace(Load([7], place), 0, 3600.0, place) as trace:
        tell(50 + 10 * hz, 20 + 7 * hz, 10 + hz)
        now[0] += 10
    assert trace.readings[-1]["other_load"] == 0.2


def test_a_counter_of_throttling_that_grows_is_a_bit(tmp_path: Path) -> None:
    count = tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    count.parent.mkdir(parents=True)
    count.write_text("7\n")
    place = Place(str(tmp_path), lambda _: "")
    with Trace(Load(place=place), time.perf_counter_ns(), 10.0, place) as trace:
        count.write_text("9\n")
    assert [reading["throttled"] for reading in trace.readings] == [0, 1 << 2 | 1 << 18]
    assert "other_load" not in trace.readings[-1]


def test_a_short_bench_has_a_load_all_the_same() -> None:
    with Trace(Load(), time.perf_counter_ns()) as trace:
        pass
    assert [("other_load" in reading) for reading in trace.readings] == [False, True]


def test_the_start_of_the_measured_process_is_in_the_time_but_not_in_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, hz = [50.0], os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stat, process = tmp_path / "proc/stat", tmp_path / "proc/7/stat"
    process.parent.mkdir(parents=True)
    stat.write_text("cpu0 0 0 0 5 0 0 0 0 0 0\n")
    load = Load(place=Place(str(tmp_path), lambda _: ""))
    stat.write_text(f"cpu0 {4 * hz} 0 0 5 0 0 0 0 0 0\n")
    process.write_text(f"7 (a) S {'0 ' * 10}{3 * hz} 0 0 0\n")
    now[0] += 0.1
    load.own += [7]
    assert load.look() is None
    assert load.missing_s == pytest.approx(0.4)
    now[0] += 1.9
    assert load.look() == 0.5
