"""The verb: verdicts, exit codes, what goes before what, and waivers in the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sides import LOCAL, changed, recorded, series, timed

from edgeq.compare import Policy, compare, compare_runs, default_policy, read_waiver
from edgeq.compare.policy import parse_policy
from edgeq.errors import UsageError
from edgeq.results import publish
from edgeq.run import Run

QUIET = 1e6 * (1 + 0.003 * np.random.default_rng(0).standard_normal(200))


def policy(text: str) -> Policy:
    return parse_policy(text, "the test")


def metered(volts: float) -> Run:
    told = {"tier": "T2", "energy_uj": 100.0, "uncertainty_uj": 1.0, "supply_v": volts}
    return timed(QUIET, energy=told)


def test_files_are_read_and_the_default_policy_holds(tmp_path: Path) -> None:
    publish(changed(), tmp_path / "new" / "run.json")
    made = compare([LOCAL], [tmp_path / "new"])
    assert (made.verdict, made.exit_code, made.policy) == ("ok", 0, "default")
    assert [each.name for each in made.metrics] == [rule.metric.name for rule in default_policy().rules]
    assert made.headline.startswith("No regression: ")
    with pytest.raises(UsageError, match="Two sides"):
        compare([LOCAL], [])


def test_a_regression_is_1_and_names_the_figure() -> None:
    made = compare_runs([timed(QUIET)], [timed(QUIET * 1.2)])
    assert (made.verdict, made.exit_code) == ("regression", 1)
    assert made.headline.startswith("Regression: worse than allowed: p50, p90")


def test_refused_is_2_and_tells_the_gravest_reason() -> None:
    made = compare_runs([timed(QUIET)], [timed(QUIET * 1.2, plan={"threads": 4}, before={"governor": "performance"})])
    assert (made.verdict, made.exit_code) == ("refused", 2)
    assert made.headline == "Refused: The runs used different numbers of threads: 1 and 4."
    assert [each.code for each in made.objections] == ["other_threads", "other_governor"]


def test_a_waiver_is_recorded_with_who_and_why_and_an_idle_one_is_told() -> None:
    waivers = [read_waiver("other_threads", "Ada", "a trial"), read_waiver("other_model", "Ada", "just in case")]
    made = compare_runs([timed(QUIET)], [timed(QUIET * 1.2, plan={"threads": 4})], None, waivers)
    assert made.verdict == "regression"
    assert [each.waiver for each in made.objections] == waivers[:1]
    assert made.idle == (waivers[1],)


def test_waivers_of_the_policy_hold_and_the_line_s_come_first() -> None:
    waiver = read_waiver("other_threads", "Ada", "the policy's")
    asked = replace(policy('[metrics.p50]\nmax_regression = "5%"'), waivers=(waiver,))
    sides = [timed(QUIET)], [timed(QUIET, plan={"threads": 4})]
    assert compare_runs(*sides, asked).objections[0].waiver == waiver
    own = read_waiver("other_threads", "Bob", "the line's")
    assert compare_runs(*sides, asked, [own]).objections[0].waiver == own


def test_what_is_refused_of_energy_leaves_latency_and_a_regression_is_the_graver_answer() -> None:
    made = compare_runs([metered(3.3)], [metered(1.8)])
    answers = {each.name: each.status for each in made.metrics}
    assert (made.verdict, answers["p50"], answers["energy"]) == ("refused", "same", "refused")
    worse = changed(metered(1.8), series=[series("invoke", QUIET * 1.2)])
    assert compare_runs([metered(3.3)], [worse]).verdict == "regression"
    latency = policy('[metrics.p50]\nmax_regression = "5%"')
    assert compare_runs([metered(3.3)], [metered(1.8)], latency).verdict == "ok"


def test_nothing_to_compare_is_refused() -> None:
    made = compare_runs([recorded()], [changed()], policy('[metrics.arena]\nmax_regression = "0 B"'))
    assert (made.verdict, made.headline) == ("refused", "Refused: no figure of the policy is on both sides.")


def test_missing_and_unsure_fail_where_the_policy_says_so() -> None:
    arena = policy('missing = "fail"\n[metrics.arena]\nmax_regression = "0 B"\n[metrics.p50]\nmax_regression = "5%"')
    made = compare_runs([timed(QUIET)], [timed(QUIET[::-1])], arena)
    assert (made.verdict, made.headline) == (
        "regression",
        "The gate fails: missing: Arena; 1 of 1 figures are within the policy.",
    )
    strict = policy('unsure = "fail"\n[metrics.p50]\nmax_regression = "5%"')
    assert compare_runs([timed(QUIET[:5])], [timed(QUIET[:5])], strict).exit_code == 1
    mild = policy('unsure = "warn"\n[metrics.p50]\nmax_regression = "5%"')
    told = compare_runs([timed(QUIET[:5])], [timed(QUIET[:5])], mild)
    assert (told.exit_code, told.headline) == (0, "No regression: not enough samples to tell: p50.")


def test_a_refusal_goes_before_what_is_missing() -> None:
    arena = policy('missing = "fail"\n[metrics.arena]\nmax_regression = "0 B"\n[metrics.p50]\nmax_regression = "5%"')
    made = compare_runs([timed(QUIET)], [timed(QUIET, release={"name": "kws"})], arena)
    assert (made.verdict, made.headline[:9]) == ("refused", "Refused: ")


def test_sides_say_what_they_are() -> None:
    made = compare_runs([timed(QUIET), timed(QUIET[::-1])], [timed(QUIET)])
    assert (made.base.runs, made.new.runs, made.base.how) == (2, 1, "measured")
    assert made.base.title == "synthetic-digits" and "x86_64" in made.base.device


def test_the_same_again_is_the_same_result() -> None:
    sides = [timed(QUIET)], [timed(QUIET[::-1] * 1.01)]
    assert compare_runs(*sides) == compare_runs(*sides)
