"""What a bench says of energy on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeq.cli.telling_bench import tell_run
from edgeq.run import Plan, Run, Series

METERED = {
    "tier": "T2",
    "meter": "Nordic PPK2",
    "gate": "pin, 56 pulses",
    "idle_mw": 6.6,
    "supply_v": 3.3,
    "energy_uj": 198.04,
    "uncertainty_uj": 22.9,
}


@pytest.mark.parametrize(
    ("energy", "said"),
    [
        (
            METERED,
            "energy 198 uJ +- 22.9 uJ per inference"
            " (k = 2; T2: Nordic PPK2, gated by pin, 56 pulses, idle 6.6 mW subtracted, at 3.3 V)",
        ),
        (
            {**METERED, "tier": "T0", "meter": "the target's profile", "gate": "p50 latency", "idle_mw": None},
            "(k = 2; T0: the target's profile, modelled, at 3.3 V)",
        ),
        ({**METERED, "energy_uj": None, "uncertainty_uj": None}, ""),
        (None, ""),
    ],
)
def test_energy_is_one_line(energy: dict[str, Any] | None, said: str) -> None:
    run = Run(
        created="2026-11-27T00:00:00Z",
        edgeq="0.1.0",
        device={"name": "board"},
        release={"name": "kws"},
        plan=Plan(3, 0, 1),
        environment={},
        series=(Series("invoke", "ns", "measured", (1e6, 1.1e6, 1.2e6)),),
        energy=energy,
    )
    _, text = tell_run(run, Path("run.json"))
    assert said in text
    assert ("energy" in text) == bool(said)
