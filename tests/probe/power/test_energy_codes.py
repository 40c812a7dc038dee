"""What the registry says of a run's energy: each code, found and not found."""

from __future__ import annotations

import re
from typing import Any

import pytest

from edgeq.probe.validity import judge
from edgeq.run import Plan, Run, Series

GOOD = {
    "tier": "T2",
    "energy_uj": 100.0,
    "uncertainty_uj": 12.0,
    "budget": {"meter": 6.0},
    "samples": 100_000,
    "lost_samples": 64,
    "problem": "",
}


def codes(**energy: Any) -> dict[str, str]:
    run = Run(
        created="2026-11-21T00:00:00Z",
        edgeq="0.1.0",
        device={"cores": 2},
        release={"golden": {"vectors": 4, "tolerance": 1, "worst": 1}},
        plan=Plan(60, 5, 1),
        environment={},
        series=(Series("invoke", "ns", "measured", tuple(1e6 + 1e3 * (n * 7 % 11) for n in range(60))),),
        energy={**GOOD, **energy},
    )
    return {issue.code: issue.message for issue in judge(run)[1]}


def test_a_good_account_has_no_issue() -> None:
    assert codes() == {}


@pytest.mark.parametrize(
    ("energy", "code", "said"),
    [
        ({"problem": "off by -1"}, "gate_off", "off by -1"),
        ({"problem": "no pin", "energy_uj": None}, "energy_not_gated", "There is no energy per inference. no pin"),
        ({"lost_samples": 500}, "meter_lost_samples", "500 of the meter's 100500 samples"),
        (
            {"uncertainty_uj": 60.0, "budget": {"meter": 1.0, "idle_drift": 29.0}},
            "energy_uncertain",
            "60 % only.*'idle",
        ),
    ],
)
def test_each_code(energy: dict[str, Any], code: str, said: str) -> None:
    found = codes(**energy)
    assert list(found) == [code]
    assert re.search(said, found[code])
