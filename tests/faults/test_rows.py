"""The fault table at the reduced count; `make faults` runs it in full."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from fault_lab import Lab
from fault_rows import ROWS
from fault_table import run

SLICES = {
    "host-kill": 4,
    "agent-kill": 6,
    "storage": 4,
    "fsync": 2,
    "power": 4,
    "links": 6,
    "races": 4,
    "hostile": 4,
    "bad-models": 3,
    "board": 2,
    "walk": 2,
}
"""Long rows are cut, so that the processes of `pytest -n` share them."""
PARTS = [(name, index, SLICES.get(name, 1)) for name in ROWS for index in range(SLICES.get(name, 1))]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "index", "count"), PARTS, ids=[f"{name}-{index}" for name, index, _ in PARTS])
def test_row(lab: Lab, name: str, index: int, count: int) -> None:
    row = ROWS[name]
    outcome = run(row, lab, None, part=(index, count), reduced=True, say=lambda text: print(text, file=sys.stderr))
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert not outcome.failed, "\n".join(outcome.failed)
    assert outcome.cases
