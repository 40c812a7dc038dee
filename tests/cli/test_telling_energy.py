"""What a bench says of energy, memory and issues on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeq.cli.telling_bench import tell_run
from edgeq.run import Issue, Plan, Run, Series

METERED = {
    "tier": "T2",
    "meter": "Nordic PPK2",
    "gate": "pin, 56 pulses",
    "idle_mw": 6.6,
    "supply_v": 3.3,
    "energy_uj": 198.04,
    "uncertainty_uj": 22.9,
    "budget": {"meter": 11.4, "edges": 1.0},
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
        (
            {**METERED, "budget": {"edges": 0.4}, "uncertainty_uj": 0.8},
            "energy 198 uJ +- 0.800 uJ per inference (k = 2; T2: Nordic PPK2, gated by pin, 56 pulses, "
            "idle 6.6 mW subtracted, at 3.3 V, without the meter's own error)",
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


def test_a_microcontroller_tells_its_memory_and_every_issue_what_to_do() -> None:
    sizes = {"arena": 6184, "static": 20, "stack": 564, "ram": 6768, "flash": 16720}
    series = [Series(name, "bytes", "emulated", (value,)) for name, value in sizes.items()]
    counted = {"init_instructions": 10_796, "first_inference_instructions": 1_586_923, "instructions": 1_586_923}
    series += [Series(name, "instructions", "emulated", (value,)) for name, value in counted.items()]
    issue = Issue("emulated", "info", "It is emulated.", "Bench on the hardware.")
    board = {"name": "qemu:mps2-an386"}
    run = Run("", "", board, {"name": "kws"}, Plan(1, 0, 1), {}, tuple(series), issues=(issue,))
    _, text = tell_run(run, Path("run.json"))
    assert "(emulated), 1 run\n" in text
    assert "load 10,796 instructions, first inference 1,586,923 instructions" in text
    assert "RAM 6.6 KiB (arena 6.0 KiB, variables 20 B, stack at most 564 B), flash 16.3 KiB" in text
    assert "info: It is emulated. Bench on the hardware." in text
