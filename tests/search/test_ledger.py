"""The ledger: what was written is known again, and a line that was cut off is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.errors import UsageError
from edgeq.quantize.recipe import Override, Ranging, Recipe
from edgeq.search.ledger import Ledger
from edgeq.search.trial import Result

RESULTS = (
    Result(Recipe(), 1000, 31.5, 0.5, 2.6),
    Result(Recipe("static_wi4_ai8", ranges=Ranging("mse"), overrides=(Override("float32", tensor="a;$"),)), error="no"),
)


def test_a_search_that_was_stopped_knows_what_it_tried(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "s", "k" * 64)
    for result in RESULTS:
        ledger.add(result)
    (path,) = (tmp_path / "s").iterdir()
    path.write_text(path.read_text()[:-20])
    again = Ledger(tmp_path / "s", "k" * 64)
    assert len(again) == 1 and again.get(Recipe().sha256) == RESULTS[0]
    again.add(RESULTS[1])
    assert Ledger(tmp_path / "s", "k" * 64).get(RESULTS[1].recipe.sha256) == RESULTS[1]
    assert len(Ledger(tmp_path / "s", "another")) == 0
    assert len(Ledger(None, "k")) == 0


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        Ledger(tmp_path / "file", "k").add(RESULTS[0])
