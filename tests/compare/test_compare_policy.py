"""Policies: what a file may say, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.compare.metrics import METRICS
from edgeq.compare.policy import DEFAULT, UNITS, Limit, Policy, default_policy, parse_policy, read_policy
from edgeq.errors import UsageError


def policy(text: str) -> Policy:
    return parse_policy(text, "policy.toml")


def test_every_key() -> None:
    read = policy(
        'confidence = 0.99\nmissing = "fail"\nunsure = "ignore"\n'
        '[metrics.p99]\ndirection = "lower"\nunit = "us"\nmax_regression = "0.2 ms"\nmargin = 50\nunsure = "fail"\n'
        '[metrics.accuracy]\nmax_regression = "1 points"\nmissing = "warn"\n'
        '[[waivers]]\ncode = "degraded_run"\nby = "Ada"\nreason = "the fan is broken"\n'
    )
    p99, accuracy = read.rules
    assert read.confidence == 0.99
    assert (p99.metric.name, p99.direction, p99.unit, p99.missing, p99.unsure) == ("p99", "lower", "us", "fail", "fail")
    assert p99.max_regression == Limit(200_000, False, "0.2 ms")
    assert p99.margin == Limit(50_000, False, "50 us")
    assert (accuracy.direction, accuracy.missing, accuracy.unsure) == ("higher", "warn", "ignore")
    assert accuracy.max_regression.value == pytest.approx(0.01)
    assert accuracy.margin == accuracy.max_regression
    assert [waiver.by for waiver in read.waivers] == ["Ada"]


def test_the_default_is_a_policy_and_can_be_saved_and_read(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(DEFAULT, encoding="utf-8")
    saved, usual = read_policy(tmp_path / "policy.toml"), default_policy()
    assert saved.rules == usual.rules
    assert usual.name == "default"
    assert {rule.metric.name for rule in usual.rules} <= set(METRICS)


def test_every_metric_has_units() -> None:
    assert {metric.unit for metric in METRICS.values()} <= set(UNITS)
    assert all(name == metric.name for name, metric in METRICS.items())


def test_limits_in_both_forms() -> None:
    assert Limit(0.05, True, "").of(2e6, True) == 0.05
    assert Limit(0.05, True, "").of(2e6, False) == 100_000
    assert Limit(100_000, False, "").of(2e6, True) == 0.05
    assert Limit(100_000, False, "").of(2e6, False) == 100_000


P50 = '[metrics.p50]\nmax_regression = "5%"\n'


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("metrics = ", "cannot be read as TOML", "--show-policy"),
        ("", "names no metrics", "[metrics.p50]"),
        ("metrics = 3", "names no metrics", "[metrics.p50]"),
        ("metrics.p50 = 3", "'metrics.p50' must be a table", "[metrics.p50]"),
        (f"confidense = 0.9\n{P50}", "unknown key 'confidense'", "Did you mean 'confidence'?"),
        (f"zzz = 0.9\n{P50}", "unknown key 'zzz'", "Known: confidence"),
        ('[metrics.p51]\nmax_regression = "5%"', "unknown key 'metrics.p51'", "Did you mean 'metrics.p"),
        (f'{P50}max_regresion = "5%"', "'metrics.p50.max_regresion'", "Did you mean 'metrics.p50.max_regression'?"),
        ('[metrics.p50]\nmargin = "5%"', "'metrics.p50' has no max_regression", '"5%"'),
        ('[metrics.p50]\nmax_regression = "-5%"', "not negative; it says '-5%'", "0.2 s"),
        ("[metrics.p50]\nmax_regression = 5", "not negative; it says 5", "0.2 s"),
        ('[metrics.p50]\nmax_regression = "5 uJ"', "'uJ' is none of its units (%, ns, us, ms, s)", '"5%"'),
        (f'{P50}unit = "msec"', "must be ns or us or ms or s; it says 'msec'", "Did you mean 'ms'?"),
        (f'{P50}direction = "up"', "must be lower or higher; it says 'up'", 'direction = "lower"'),
        (f'missing = "warning"\n{P50}', "'missing' must be fail or warn or ignore", "Did you mean 'warn'?"),
        (f"confidence = 95\n{P50}", "from 0.5 to below 1; it says 95", "0.95"),
        (f"waivers = 3\n{P50}", "'waivers' must be a list of tables", "[[waivers]]"),
        (f'{P50}[[waivers]]\ncode = "other_model"', "A waiver has no text 'by'", "[[waivers]]"),
        (f'{P50}[[waivers]]\nkode = "other_model"', "A waiver has no 'kode'", "'code'"),
        (
            f'{P50}[[waivers]]\ncode = "other_modle"\nby = "A"\nreason = "b"',
            "policy.toml: No objection has the code 'other_modle'",
            "Did you mean 'other_model'?",
        ),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as wrong:
        policy(text)
    assert message in wrong.value.message and "policy.toml" in wrong.value.message
    assert hint in wrong.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")
