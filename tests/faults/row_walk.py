"""A random walk over deploys, trials, rollbacks, kills, cuts, rot and races against a reference model (`walk`)."""

from __future__ import annotations

from fault_lab import Lab
from fault_table import Row
from walk import walk

WALKS = 10
STEPS, FEW_STEPS = 50, 30


def case(lab: Lab, number: int) -> int:
    """So many walks."""
    walk(lab, number, walks=WALKS, steps=getattr(lab, "walk_steps", STEPS))
    return WALKS


def _reduced(lab: Lab) -> int:
    lab.walk_steps = FEW_STEPS  # type: ignore[attr-defined]
    return 5


ROW = Row(
    name="walk",
    what="random walk over deploy, trial, rollback, kill, cut, rot and race against a reference model",
    cases=lambda _lab: 100,
    case=case,
    reduced=_reduced,
)
