"""Each code of the registry: a run that has it, and the verdict that follows."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeq.probe.outlier import when_and_why
from edgeq.probe.validity import CHECKS, documented, judge
from edgeq.run import Plan, Run, Series

STEADY = tuple(1e6 + 1e3 * (index * 7 % 11) for index in range(60))


def make(values: tuple[float, ...] = STEADY, how: str = "measured", **environment: Any) -> Run:
    return Run(
        created="2026-11-21T00:00:00Z",
        edgeq="0.1.0",
        device={"emulated": how == "emulated", "emulator": "qemu", "cores": 2},
        release={"golden": {"vectors": 4, "tolerance": 1, "worst": 1}},
        plan=Plan(60, 5, 1),
        environment=environment,
        series=(Series("invoke", "ns", how, values),),
    )


def traced(name: str, *values: float) -> Run:
    """A clean run with one trace, a reading each second of its steady state."""
    base = make()
    times = tuple(map(float, range(len(values))))
    steady = tuple(index * len(values) / len(STEADY) for index in range(len(STEADY)))
    invoke = Series("invoke", "ns", "measured", STEADY, t_s=steady)
    return replace(base, series=(invoke, Series(name, "?", "measured", values, t_s=times)))


def clocked(*device_ns: float) -> Run:
    """A clean run whose clock said this at seconds 0, 1, 2 of the host's."""
    base = make(link_s=0.001)
    times = tuple(map(float, range(len(device_ns))))
    return replace(base, series=(*base.series, Series("clock", "ns", "measured", device_ns, t_s=times)))


def slowing() -> Run:
    values = tuple(1e6 * (1.2 if index > 300 else 1.0) + index % 7 for index in range(600))
    invoke = Series("invoke", "ns", "measured", values, t_s=tuple(map(float, range(600))))
    return replace(make(), series=(invoke,), plan=Plan(600, 5, 1, 600.0, sustained=True))


def codes(run: Run) -> list[str]:
    return [issue.code for issue in judge(run)[1]]


def test_a_clean_run_is_valid() -> None:
    assert judge(make(before={"governor": "performance", "load_1m": 0.9}, after={"throttled": 0})) == (
        "valid",
        (),
    )


def test_an_emulated_run_is_valid_with_a_remark_and_no_timing_advice() -> None:
    verdict, issues = judge(make((9e6, *STEADY), how="emulated", before={"governor": "powersave", "load_1m": 9}))
    assert verdict == "valid"
    assert [(issue.code, issue.severity) for issue in issues] == [("emulated", "info")]
    assert "not the hardware's" in issues[0].message


@pytest.mark.parametrize(
    ("run", "code", "verdict"),
    [
        (make(()), "no_samples", "invalid"),
        (replace(make(), series=()), "no_samples", "invalid"),
        (make((0.0,) * 60), "clock_suspect", "invalid"),
        (make((*STEADY, -5.0)), "clock_suspect", "invalid"),
        (make((5e5,) * 60), "clock_frozen", "degraded"),
        (make(STEADY[:29]), "too_few_runs", "degraded"),
        (make(tuple(value * (1 + index / 200) for index, value in enumerate(STEADY))), "drifting", "degraded"),
        (make(after={"throttled": 0x50000}), "throttled", "degraded"),
        (make(before={"load_1m": 1.1}), "other_load", "degraded"),
        (traced("other_load", 0.0, 0.9, 0.9), "other_load", "degraded"),
        (traced("cpu_hz", 1.8e9, 1.8e9, 1.8e9, 1.2e9, 1.2e9), "frequency_moved", "degraded"),
        (traced("throttled", 0, 4, 0), "throttled", "degraded"),
        (traced("throttled", 0, 1, 0), "undervoltage", "degraded"),
        (make(after={"throttled": 0x10000}), "undervoltage", "degraded"),
        (make(before={"throttled": 0x50000}, after={"throttled": 0x50000}), "throttled_before", "valid"),
        (make(STEADY[:30] + tuple(value * 1.6 for value in STEADY[:30])), "wide_interval", "degraded"),
        (make(model={"sha256": "a" * 64, "expected": "b" * 64}), "wrong_model", "invalid"),
        (replace(make(model={"n": 3}), release={**make().release, "n": 2}), "wrong_model", "invalid"),
        (make(ended_by="stopped"), "stopped_early", "valid"),
        (clocked(1.0, 1.0, 1.0), "clock_stopped", "invalid"),
        (clocked(2e9, 1e9, 3e9), "clock_backwards", "invalid"),
        (clocked(0.0, 1e9, 3e9), "clock_rate", "degraded"),
        (make((1e8,) * 20 + (1.1e8,) * 20, host_s=1.0), "clock_rate", "degraded"),
        (slowing(), "slowed_down", "degraded"),
        (make((9e6, *STEADY)), "first_outlier", "valid"),
        (make((*STEADY, *(9e6,) * 5)), "many_outliers", "valid"),
        (make(before={"governor": "ondemand"}), "governor_not_performance", "valid"),
        (replace(make(), release={"golden": {"vectors": 4, "tolerance": 1, "worst": 2}}), "golden_failed", "invalid"),
        (
            replace(make(), release={"golden": {"vectors": 4, "tolerance": 1, "worst": None}}),
            "golden_missing",
            "degraded",
        ),
        (replace(make(), release={"golden": None}), "golden_missing", "degraded"),
        (replace(make(), correctness={"samples": 9, "value": 0.5, "beyond": 2}), "device_differs", "degraded"),
    ],
)
def test_each_code_and_its_verdict(run: Run, code: str, verdict: str) -> None:
    assert code in codes(run)
    assert judge(run)[0] == verdict


def test_power_from_elsewhere_and_below_idle_is_told() -> None:
    base = make()
    power = Series("power", "mw", "measured", (1.0, 2.0), source="meter's recording a.csv")
    energy = Series("energy", "uj", "measured", (-3.0,))
    assert codes(replace(base, series=(*base.series, power))) == ["replayed_power"]
    assert codes(replace(base, series=(*base.series, energy))) == ["energy_below_idle"]


def test_no_issue_code_twice_and_each_is_advice() -> None:
    assert len({check.code for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert re.fullmatch(r"[a-z_]+", check.code)
        assert check.severity in ("info", "degraded", "invalid")
        assert check.hint.endswith(".")


def test_an_empty_run_is_judged_not_crashed() -> None:
    run = Run("", "", {}, {}, Plan(0, 0, 1), {}, ())
    assert judge(run)[0] == "invalid"


def test_the_documentation_lists_every_check_as_it_is() -> None:
    """To bring it up to date: `python -m edgeq.probe.validity docs/measuring.md`."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "measuring.md").read_text(encoding="utf-8")
    assert documented(text) == text
    assert all(f"| `{check.code}`" in text for check in CHECKS)


def test_outliers_are_named_with_what_was_read_then() -> None:
    values = list(STEADY)
    for index in (40, 41, 42, 43):
        values[index] = 9e6
    base = traced("other_load", 0.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0)
    invoke = replace(base.series[0], values=tuple(values))
    (message,) = [
        issue.message for issue in judge(replace(base, series=(invoke, base.series[1])))[1] if "outl" in issue.code
    ]
    assert "4 of 60" in message
    assert "#40 at 5.33 s (8.9 times p50)" in message
    assert "other programs took" in message


def test_what_takes_next_to_nothing_explains_no_outlier() -> None:
    values = list(STEADY)
    values[40] = 9e6
    base = traced("other_load", *[0.04] * 8)
    message = when_and_why(replace(base, series=(replace(base.series[0], values=tuple(values)), base.series[1])))
    assert message.startswith(": #40 at 5.33 s") and "other programs" not in message


def test_a_sustained_bench_may_drift() -> None:
    assert "drifting" not in codes(slowing())
