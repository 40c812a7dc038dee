"""Throttle bits that belong to a bench, traces, and the device's clock held to the host's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgeq.probe.clock import backwards, frozen, off_rate, too_fast
from edgeq.probe.environment import clock_series, link_s, new_bits, steady, trace_series
from edgeq.run import Plan, Run, Series


def run(*series: Series, **environment: Any) -> Run:
    return Run("", "", {}, {}, Plan(1, 1, 1), environment, series)


def throttled(*bits: int) -> Series:
    return Series("throttled", "bits", "measured", tuple(map(float, bits)), t_s=tuple(map(float, range(len(bits)))))


@pytest.mark.parametrize(
    ("before", "during", "after", "bits"),
    [
        (0, (), 0, 0),
        (0x50000, (0x50000, 0x50000), 0x50000, 0),
        (0x50000, (0x50005, 0x50000), 0x50000, 0x5),
        (0, (0, 0), 0x80000, 0x80000),
        (0x50000, (), 0xD0000, 0x80000),
        (0x80008, (), 0x80008, 0x8),
        (None, (2,), None, 2),
    ],
)
def test_old_sticky_bits_are_not_of_this_bench(
    before: int | None, during: tuple[int, ...], after: int | None, bits: int
) -> None:
    made = run(throttled(*during), before={"throttled": before}, after={"throttled": after})
    assert new_bits(made) == bits


def test_readings_become_traces() -> None:
    answer = {
        "trace": [
            {"t_ns": 0, "cpu_hz": 1.5e9, "throttled": 0},
            {"t_ns": 1_000_000_000, "cpu_hz": 1.2e9, "temperature_c": 80.5, "other_load": 0.25, "supply_v": 5.1},
            {"t_ns": "?", "cpu_hz": 1},
        ]
    }
    found = {series.name: (series.unit, series.values, series.t_s) for series in trace_series(answer, "measured")}
    assert found["cpu_hz"] == ("hz", (1.5e9, 1.2e9), (0.0, 1.0))
    assert found["temperature"] == ("c", (80.5,), (1.0,))
    assert (found["other_load"][0], found["supply"][0], found["throttled"][0]) == ("cores", "v", "bits")
    assert trace_series({}, "measured") == []


def test_only_readings_of_the_steady_state_count() -> None:
    invoke = Series("invoke", "ns", "measured", (1.0, 1.0), t_s=(2.0, 4.0))
    assert list(steady(run(invoke, throttled(1, 2, 3, 4, 5)), "throttled")) == [(2.0, 3.0), (3.0, 4.0), (4.0, 5.0)]
    assert list(steady(run(replace(invoke, t_s=()), throttled(1)), "throttled")) == []


def clocked(rate: float, host_s: float = 10.0, trip_s: float = 0.01, **environment: Any) -> Run:
    answer = {"clock": [(int(rate * t * 1e9), t, t + trip_s) for t in (0.0, host_s / 2, host_s)]}
    return run(*clock_series(answer, "measured"), link_s=link_s(answer), **environment)


@pytest.mark.parametrize(("rate", "said"), [(1.0, ""), (1.01, ""), (0.985, ""), (1.05, "5.0 % fast"), (0.5, "slow")])
def test_the_clock_s_rate(rate: float, said: str) -> None:
    found = off_rate(clocked(rate))
    assert said in found
    assert bool(found) == bool(said)
    assert not frozen(clocked(rate))


def test_a_slow_link_excuses_what_it_explains() -> None:
    assert off_rate(clocked(1.05, host_s=1.0, trip_s=0.002))
    assert not off_rate(clocked(1.05, host_s=1.0, trip_s=0.1))
    assert not off_rate(clocked(3.0, host_s=0.1))


def test_a_clock_that_stands_still_or_goes_backwards() -> None:
    assert "stood still for 10.0 s" in frozen(clocked(0.0))
    clock = Series("clock", "ns", "measured", (5.0, 4.0, 9.0), t_s=(0.0, 1.0, 2.0))
    assert "went backwards 1 times" in backwards(run(clock))
    invoke = Series("invoke", "ns", "measured", (1.0, 1.0), t_s=(2.0, 1.5))
    assert "samples' times" in backwards(run(invoke))
    assert not backwards(run())


def test_a_device_that_measured_for_longer_than_it_was_waited_for() -> None:
    invoke = Series("invoke", "ns", "measured", (1e9,) * 3)
    assert "clock runs fast" in too_fast(run(invoke, host_s=2.0))
    assert not too_fast(run(invoke, host_s=3.1))
    assert not too_fast(run(invoke))
