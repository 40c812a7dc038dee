"""The measuring loop: what it times, when it stops, and that what it tells can be followed."""

from __future__ import annotations

import time
from array import array
from typing import Any

import numpy as np
import pytest

from edgeq.agent import timing
from edgeq.agent.timing import MOST_KEPT, durations, end_to_end, measure, spread
from edgeq.stats import interval


class Sleeper:
    """A model that takes a time of its own."""

    def __init__(self, seconds: float = 0.0002) -> None:
        self.seconds, self.runs = seconds, 0

    def load(self, inputs: list[bytes]) -> None:
        self.inputs = inputs

    def run(self) -> None:
        self.runs += 1
        time.sleep(self.seconds)

    def invoke_raw(self, raw: Any) -> None:
        self.run()


def collected(model: Sleeper, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"warmup": array("q"), "invoke": array("q")}
    for answer in measure(model, [b"x"], **{"warmup": 3, "runs": 10, **how}):
        for key, value in answer.items():
            if isinstance(value, bytes):
                found[key].frombytes(value)
            else:
                found[key] = value
    return found


def test_every_inference_has_a_beginning_and_an_end_in_order() -> None:
    model = Sleeper()
    found = collected(model)
    assert (found["ended_by"], found["timed_every"], model.runs) == ("runs", 1, 14)
    times = [*found["warmup"], *found["invoke"]]
    assert len(times) == 26
    assert times == sorted(times)
    assert min(durations(array("q", times))) >= 200_000
    assert found["first_ns"] >= 200_000


def test_it_stops_when_the_time_is_over_and_has_one_sample_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    now, model = [0], Sleeper()
    monkeypatch.setattr(timing, "_clock", lambda: now[0])
    monkeypatch.setattr(model, "run", lambda: now.__setitem__(0, now[0] + 200_000))
    found = collected(model, runs=10**6, seconds=0.05)
    assert found["ended_by"] == "seconds"
    assert found["invoke"][-1] - found["invoke"][0] == 50_000_000
    assert len(collected(model, runs=10**6, seconds=0.0001)["invoke"]) == 2


def test_a_process_that_is_stopped_as_its_time_begins_has_one_sample_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, model = [0], Sleeper(0)

    def late() -> int:
        now[0] += 1_000_000_000
        return now[0]

    monkeypatch.setattr(timing, "_clock", late)
    found = collected(model, runs=10**6, seconds=0.5)
    assert (found["ended_by"], len(found["invoke"])) == ("seconds", 2)


def test_it_stops_when_the_median_is_known() -> None:
    found = collected(Sleeper(0.001), runs=10**5, rel_error=0.5, seconds=30)
    assert found["ended_by"] == "rel_error"
    assert len(found["invoke"]) // 2 >= 30


@pytest.mark.parametrize("phase", ["warmup", "invoke"])
def test_it_stops_when_it_is_told(phase: str) -> None:
    how = {"warmup": 10**6} if phase == "warmup" else {"warmup": 0, "runs": 10**6}
    found = collected(Sleeper(), stopped=lambda: True, **how)
    assert found["ended_by"] == "stopped"
    assert (len(found["invoke"]) == 0) == (phase == "warmup")


def test_a_sustained_bench_of_a_fast_model_times_some_of_its_inferences() -> None:
    model = Sleeper(0)
    found = collected(model, seconds=0.3, sustained=True, runs=1)
    assert found["ended_by"] == "seconds"
    assert found["timed_every"] >= 1
    assert len(found["invoke"]) // 2 > 1
    assert model.runs >= found["timed_every"] * len(found["invoke"]) // 2
    assert MOST_KEPT >= 100_000


@pytest.mark.parametrize("warm_ns", [20_000, 60_000])
def test_a_sustained_bench_lasts_though_its_first_inferences_were_slow(
    monkeypatch: pytest.MonkeyPatch, warm_ns: int
) -> None:
    now, model = [0], Sleeper()
    monkeypatch.setattr(timing, "_clock", lambda: now[0])

    def run() -> None:
        model.runs += 1
        now[0] += 2_000_000 if model.runs == 1 else warm_ns if model.runs < 6000 else 20_000

    monkeypatch.setattr(model, "run", run)
    found = collected(model, warmup=0, seconds=12.0, sustained=True)
    assert found["ended_by"] == "seconds"
    assert now[0] >= 12.0e9


def test_the_spread_is_that_of_the_statistics() -> None:
    random = np.random.default_rng(3)
    for n in (30, 100, 1000):
        values = [int(value) for value in random.normal(1e6, 3e4, n)]
        low, high = interval(values)
        middle = float(np.median(values))
        assert spread(values) == pytest.approx(max(high - middle, middle - low) / middle, rel=0.35)


def test_from_end_to_end() -> None:
    found = end_to_end(Sleeper(0.001), {}, None, 5, 10.0)
    assert list(found) == ["end_to_end_ns"]
    assert len(found["end_to_end_ns"]) == 5
    assert len(end_to_end(Sleeper(0.01), {}, None, 1000, 0.02)["end_to_end_ns"]) < 10
