"""p50 over time, and from when on a device was slower."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.run import Plan, Run, Series
from edgeq.sustained import Teller, intervals, onset, width


def made(slow_from_s: float = 1e9, slow: float = 1.12, seconds: float = 300.0, noise: float = 0.03) -> Run:
    random = np.random.default_rng(5)
    t_s = np.arange(0, seconds, 0.1)
    values = 1e7 * (1 + noise * random.standard_normal(t_s.size)) * np.where(t_s >= slow_from_s, slow, 1.0)
    times = tuple(map(float, np.arange(0, seconds, 1.0)))
    hot = tuple(60.0 + 25 * min(1.0, time / max(1.0, min(slow_from_s, seconds))) for time in times)
    hz = tuple(1.8e9 if time < slow_from_s else 1.5e9 for time in times)
    return Run(
        *("", "", {}, {}),
        Plan(1, 1, 1, seconds, sustained=True),
        {},
        (
            Series("invoke", "ns", "measured", tuple(map(float, values)), t_s=tuple(map(float, t_s))),
            Series("cpu_hz", "hz", "measured", hz, t_s=times),
            Series("temperature", "c", "measured", hot, t_s=times),
        ),
    )


def test_the_onset_and_what_changed_with_it() -> None:
    found = onset(made(slow_from_s=140.0))
    assert found
    assert found.t_s == pytest.approx(140.0, abs=10.0)
    assert found.rise == pytest.approx(0.12, abs=0.03)
    assert "clock fell from 1800 to" in found.changed
    assert "temperature rose" in found.changed


@pytest.mark.parametrize("run", [made(), made(slow_from_s=140.0, slow=1.03), made(noise=0.2)])
def test_what_keeps_its_pace_has_none(run: Run) -> None:
    assert onset(run) is None


def test_one_disturbed_interval_is_no_onset() -> None:
    run = made()
    invoke = run.one("invoke")
    assert invoke
    values = [
        value * (1.5 if 200 <= time < 209 else 1.0) for time, value in zip(invoke.t_s, invoke.values, strict=True)
    ]
    spoilt = Series("invoke", "ns", "measured", tuple(values), t_s=invoke.t_s)
    assert onset(Run("", "", {}, {}, run.plan, {}, (spoilt,))) is None


def test_intervals_hold_every_sample_once() -> None:
    invoke = made(seconds=60.0).one("invoke")
    assert invoke
    found = intervals(invoke.t_s, invoke.values)
    assert sum(item.n for item in found) == len(invoke.values)
    assert len(found) == 20
    assert all(item.low <= item.p50 <= item.high for item in found)
    assert [item.start_s for item in found] == sorted(item.start_s for item in found)


def test_intervals_of_little() -> None:
    assert intervals((), ()) == []
    assert intervals((1.0,), (2.0,)) == []
    assert intervals((1.0, 1.0), (2.0, 2.0)) == []
    assert width((0.0, 600.0)) > 10
    assert width(tuple(map(float, range(601)))) == 10.0


def test_each_interval_is_told_once_it_is_over() -> None:
    said: list[str] = []
    teller = Teller(200.0, said.append)
    starts = [int(index * 0.5e9) for index in range(100)]
    trace = [{"t_ns": 0, "temperature_c": 61.25, "cpu_hz": 1.5e9, "throttled": 0x8}]
    for upto in (5, 30, 60, 60, 100):
        teller([10_000_000] * upto, starts[:upto], trace)
    assert len(said) == 4
    assert said[0] == "10 s: p50 10.0 ms (+0.0 %), 61.2 C, 1500 MHz, throttled 0x8"


def test_a_clock_that_reads_0_for_an_inference_tells_no_rise() -> None:
    said: list[str] = []
    Teller(10.0, said.append)([0] * 2000, [index * 1_000_000 for index in range(2000)], [])
    assert [line.partition(":")[0] for line in said] == ["0.5 s", "1.0 s", "1.5 s"]
    assert said[0].endswith("p50 0 ns")


def test_a_disturbed_last_interval_is_no_onset_as_none_confirms_it() -> None:
    times = tuple(index * 0.1 for index in range(2000))
    values = tuple(1e6 * (1.2 if time >= 191 else 1.0) + index % 7 for index, time in enumerate(times))
    invoke = Series("invoke", "ns", "measured", values, t_s=times)
    plan = Plan(2000, 0, 1, 200.0, sustained=True)
    assert onset(Run("", "", {}, {}, plan, {}, (invoke,))) is None
