"""When the host has enough of a bench."""

from __future__ import annotations

import time

import pytest

from edgeq.device.enough import Judge, within
from edgeq.run import Plan

STEADY = [100, 101, 99, 102, 98] * 20


def judge(told: list[str], stopped: bool = False, **asked: float) -> Judge:
    return Judge(Plan(10**6, 5, 0, **asked), told.append, lambda: stopped)  # type: ignore[arg-type]


def test_somebody_stops_it_at_any_time() -> None:
    ended = judge([], stopped=True, seconds=100.0)
    assert ended([])
    assert ended.why == "stopped"


def test_time_begins_with_the_first_steady_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [50.0], list[str]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ended = judge(told, seconds=2.0)
    assert not ended([1] * 5)
    now[0] += 100
    assert not ended([1] * 6)
    now[0] += 1.5
    assert not ended([1] * 7)
    now[0] += 0.5
    assert ended([1] * 8)
    assert ended.why == "seconds"
    assert told == ["0 runs, 0 s", "2 runs, 2 s"]


def test_a_median_that_is_known_ends_it_and_warm_up_does_not_count() -> None:
    slow = [10**6] * 5
    assert within(STEADY, 0.02) and not within(STEADY, 0.001)
    ended = judge([], rel_error=0.02)
    assert not ended([*slow, *STEADY[:29]])
    assert ended([*slow, *STEADY[:40]])
    assert ended.why == "rel_error"


def test_it_looks_again_when_there_is_a_tenth_more() -> None:
    wide = [100, 200] * 25
    ended = judge([], rel_error=0.02)
    assert not ended([1] * 5 + wide)
    assert not ended([1] * 5 + [100] * 54)
    assert ended([1] * 5 + [100] * 55)
