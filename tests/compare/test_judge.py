"""One metric against its rule: every status, every kind, and what the policy makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sides import changed, recorded, series, timed

from edgeq.compare.judge import Judged, judge
from edgeq.compare.policy import parse_policy
from edgeq.run import Run

QUIET = 1e6 * (1 + 0.003 * np.random.default_rng(0).standard_normal(200))
LOUD = 1e6 * (1 + 0.2 * np.random.default_rng(1).standard_normal(40))


def judged(rule: str, base: Run | list[Run], new: Run | list[Run], **more: Any) -> Judged:
    (read,) = parse_policy(rule, "the test").rules
    sides = [side if isinstance(side, list) else [side] for side in (base, new)]
    return judge(read, sides[0], sides[1], 0.95, **more)


P50 = '[metrics.p50]\nmax_regression = "5%"\nmargin = "1%"\n'


@pytest.mark.parametrize(
    ("factor", "status", "gate"),
    [
        (1.08, "regression", "fail"),
        (1.03, "worse", "pass"),
        (1.0, "same", "pass"),
        (0.9, "better", "pass"),
        (1.05, "unsure", "warn"),
    ],
)
def test_each_status(factor: float, status: str, gate: str) -> None:
    seen = judged(P50, timed(QUIET), timed(QUIET[::-1] * factor))
    assert (seen.status, seen.gate) == (status, gate)
    assert seen.change == pytest.approx(factor - 1)
    assert seen.low is not None and seen.high is not None and seen.low < seen.change < seen.high


def test_more_is_better_where_the_policy_says_so() -> None:
    rule = f'{P50}direction = "higher"\n'
    assert judged(rule, timed(QUIET), timed(QUIET * 1.08)).status == "better"
    assert judged(rule, timed(QUIET), timed(QUIET * 0.9)).status == "regression"


def test_an_absolute_limit() -> None:
    rule = '[metrics.p50]\nunit = "ms"\nmax_regression = "0.02 ms"\n'
    seen = judged(rule, timed(QUIET), timed(QUIET * 1.05))
    assert (seen.status, seen.relative, seen.limit, seen.told_in) == ("regression", False, 20_000, "ms")
    assert seen.change == pytest.approx(50_000, rel=0.01)
    assert judged(rule, timed(QUIET), timed(QUIET * 1.01)).status == "same"


def test_a_difference_within_the_margin_is_none_even_if_nothing_is_allowed() -> None:
    rule = '[metrics.p50]\nmax_regression = "0%"\nmargin = "2%"\n'
    assert judged(rule, timed(QUIET), timed(QUIET[::-1] * 1.01)).status == "same"
    assert judged(rule, timed(QUIET), timed(QUIET[::-1] * 1.03)).status == "regression"


@pytest.mark.parametrize(("answer", "gate"), [("fail", "fail"), ("warn", "warn"), ("ignore", "pass")])
def test_not_enough_samples_is_an_answer_and_the_policy_weighs_it(answer: str, gate: str) -> None:
    seen = judged(f'{P50}unsure = "{answer}"\n', timed(LOUD), timed(LOUD[::-1] * 1.07))
    assert (seen.status, seen.gate) == ("unsure", gate)
    assert seen.needed is not None and seen.needed > 40
    assert "samples a side would tell" in seen.note
    few = judged(f'[metrics.p99]\nmax_regression = "5%"\nunsure = "{answer}"\n', timed(QUIET), timed(QUIET))
    assert (few.status, few.gate, few.low) == ("unsure", gate, None)
    assert "at least 368 samples" in few.note


@pytest.mark.parametrize(("answer", "one", "neither"), [("fail", "fail", "fail"), ("warn", "warn", "pass")])
def test_missing_data(answer: str, one: str, neither: str) -> None:
    rule = f'[metrics.arena]\nmax_regression = "0 B"\nmissing = "{answer}"\n'
    has = changed(series=[series("arena", [1000], "bytes")])
    lost, never = judged(rule, has, recorded()), judged(rule, recorded(), changed())
    assert (lost.status, lost.gate, lost.note) == ("missing", one, "The base has it and the new run has not.")
    assert (never.status, never.gate, never.note) == ("missing", neither, "Neither has it.")
    assert judged(rule.replace(answer, "ignore"), has, recorded()).gate == "pass"


def counted(*values: float) -> Run:
    return changed(series=[series("instructions", values, "instructions", "emulated")])


def test_instructions_are_compared_exactly() -> None:
    rule = '[metrics.instructions]\nmax_regression = "0%"\n'
    same = judged(rule, counted(*[4_564_148] * 30), counted(*[4_564_148] * 30))
    more = judged(rule, counted(*[4_564_148] * 30), counted(*[4_564_149] * 30))
    assert (same.status, same.change, same.method[:5]) == ("same", 0, "exact")
    assert (more.status, more.low, more.high) == ("regression", more.change, more.change)
    assert judged(rule, counted(100), counted(101)).status == "regression"


def test_bytes_are_compared_as_they_are_the_worst_run_of_each_side() -> None:
    rule = '[metrics.rss_peak]\nmax_regression = "1 KiB"\n'
    runs = [changed(series=[series("rss_peak", [size], "bytes")]) for size in (9000, 10_000, 11_000, 11_100)]
    assert judged(rule, runs[:2], [runs[2]]).status == "same"
    seen = judged(rule, runs[:2], runs[2:])
    assert (seen.status, seen.base, seen.new, seen.limit) == ("regression", 10_000, 11_100, 1024)
    assert judged('[metrics.model_bytes]\nmax_regression = "0%"\n', recorded(), changed()).change == 0


def test_one_value_a_run_takes_six_runs() -> None:
    rule = '[metrics.init]\nmax_regression = "25%"\n'
    runs = [changed(series=[series("init", [1e6 * (1 + share)])]) for share in np.linspace(-0.02, 0.02, 6)]
    few, enough = judged(rule, runs[:5], runs[:5]), judged(rule, runs, runs)
    assert (few.status, few.low) == ("unsure", None)
    assert "at least 6 runs a side" in few.note
    assert enough.status == "same" and enough.n == (6, 6)


def metered(energy_uj: float, uncertainty_uj: float) -> Run:
    told = {"tier": "T2", "energy_uj": energy_uj, "uncertainty_uj": uncertainty_uj}
    return changed(series=[series("energy", [energy_uj], "uj")], energy=told)


def test_runs_that_disagree_ask_for_more_runs_and_not_for_samples() -> None:
    base = [timed(QUIET * factor) for factor in (1.0, 1.3, 0.9)]
    seen = judged(P50, base, [timed(QUIET[::-1] * factor) for factor in (1.0, 1.2, 0.95)])
    assert (seen.status, seen.needed) == ("unsure", None)
    assert seen.note.startswith("Runs of one side differ by ") and "give more runs a side" in seen.note
    assert seen.low is not None and seen.low >= -1


def test_energy_by_the_meters_uncertainty() -> None:
    rule = '[metrics.energy]\nmax_regression = "10%"\n'
    far, near = judged(rule, metered(100, 2), metered(120, 2)), judged(rule, metered(100, 8), metered(112, 8))
    assert (far.status, near.status) == ("regression", "unsure")
    # Of 1.2 the relative uncertainty is the root of the sum of (2 / 100 x 1.2) squared and (2 / 100) squared.
    assert far.high == pytest.approx(0.2 + (0.024**2 + 0.02**2) ** 0.5)
    series_alone = changed(series=[series("energy", [100], "uj", error_pct=1.0)])
    assert judged(rule, series_alone, series_alone).high == pytest.approx(0.02 * 2**0.5)


def test_modelled_energy_is_not_compared() -> None:
    seen = judged('[metrics.energy]\nmax_regression = "10%"\n', recorded(), changed())
    assert seen.status == "missing" and "Modelled energy" in seen.note


def test_accuracy_on_the_same_samples() -> None:
    rule = '[metrics.accuracy]\nmax_regression = "1 points"\n'
    evaluation = recorded().release["evaluation"]

    def reached(value: float) -> Run:
        return changed(release={"evaluation": {**evaluation, "accuracy": value}})

    assert judged(rule, reached(0.97), reached(0.965)).status == "same"
    assert judged(rule, reached(0.97), reached(0.96)).status == "same"  # to the last bit of what is allowed
    assert judged(rule, reached(0.97), reached(0.95)).status == "regression"
    assert judged(rule, reached(0.97), reached(0.99)).status == "better"
    on_device = changed(correctness={"value": 0.9, "metric": "accuracy", "data": "d", "samples": 100})
    assert judged(rule, on_device, changed(on_device)).base == 0.9
    other = changed(correctness={"value": 3.0, "metric": "mae"}, release={"evaluation": None})
    assert judged(rule, other, other).status == "missing"


def test_what_was_refused_is_not_compared() -> None:
    seen = judged(P50, timed(QUIET), timed(QUIET * 1.08), refused=True)
    assert (seen.status, seen.gate, seen.change, seen.low) == ("refused", "fail", None, None)
    assert seen.base is not None
