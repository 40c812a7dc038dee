from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeq.asked import LABEL, SUITE, Asked, read_asked
from edgeq.errors import UsageError
from edgeq.project import read_project


def test_nothing_asks_for_what_suits() -> None:
    found = read_asked({}, "edgeq.toml")
    assert found == Asked() and found.slices == (LABEL,) and found.columns == ()


def test_a_project_asks(tmp_path: Path) -> None:
    (tmp_path / "edgeq.toml").write_text(
        '[evaluation]\nmetric = "f1"\nslices = ["label", "speaker"]\ngroup = "clip"\nleast = 5\nmax_drop = 1\n'
        'max_slice_drop = 5.5\ncorruptions = true\nout_of_distribution = "other.npz"\n'
    )
    found = read_project(tmp_path / "edgeq.toml").evaluation
    other = str(tmp_path / "other.npz")
    assert found == Asked("f1", ("label", "speaker"), "clip", 5, 1.0, 5.5, SUITE, other)
    assert found.columns == ("speaker", "clip")
    assert Asked.from_json(found.to_json()) == Asked("f1", ("label", "speaker"), "clip", 5)
    assert found.merged(metric="auc", group=None).metric == "auc"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"metrik": "f1"}, "unknown key 'evaluation.metrik'"),
        ({"metric": 1}, "'evaluation.metric' must be a text"),
        ({"slices": "label"}, "'evaluation.slices' must be a list of texts"),
        ({"least": 0}, "'evaluation.least' must be a whole number"),
        ({"least": 2.5}, "'evaluation.least' must be a whole number"),
        ({"max_drop": -1}, "'evaluation.max_drop' must be a number that is not negative"),
        ({"max_drop": True}, "'evaluation.max_drop' must be a number"),
        ({"corruptions": "noise"}, "'evaluation.corruptions' must be a list"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(table: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_asked(table, "edgeq.toml")
