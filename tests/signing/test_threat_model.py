"""Every claim of docs/threat-model.md names tests: they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threat-model.md"


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 40
    gone = [
        f"{file}::{name}" for file, name in named if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not gone


def test_every_row_that_claims_something_names_a_test() -> None:
    tables = PAGE.read_text(encoding="utf-8").split("| tries | and | test |")[1:]
    assert len(tables) == 5
    for table in tables:
        rows = [line for line in table.split("\n\n")[0].splitlines() if line.startswith("| ")]
        assert rows
        assert not [row for row in rows if "tests/" not in row]
