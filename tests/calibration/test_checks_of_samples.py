"""The checks that need no model: classes, constant samples, clipping, copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from practice import Case, findings, pictures

from edgeq.calibration import checks
from edgeq.calibration.evidence import told


def test_silence_that_is_a_class_of_its_own_is_fine(tmp_path: Path) -> None:
    time = np.arange(4000) / 8000
    draw = np.random.default_rng(0)
    tones = [np.round(9000 * np.sin(2 * np.pi * draw.uniform(100, 900) * time)) for _ in range(40)]
    clips, labels = np.array(tones).astype(np.int16), np.arange(40) % 4
    clips[labels == 3] = 0
    assert "silence" not in findings(Case(clips, labels), None, tmp_path, rate_hz=8000)
    assert findings(Case(clips, None), None, tmp_path, rate_hz=8000)["silence"].severity == "warning"
    some = findings(Case(clips, (labels + np.arange(40) // 4) % 4), None, tmp_path, rate_hz=8000)
    assert some["silence"].actual == 0.25


def test_a_set_of_one_value_is_an_error(tmp_path: Path) -> None:
    found = findings(Case(np.full((40, 8, 8), 3.0), None), None, tmp_path)
    assert found["constant"].severity == "error" and "duplicates" not in found


def test_one_pair_of_copies_is_no_warning(tmp_path: Path) -> None:
    x, y = pictures(60, 9)
    x[20] = x[10]
    found = findings(Case(x, y), None, tmp_path)
    assert found["duplicates"].severity == "info" and "sample 20" in found["duplicates"].message


def test_few_classes_with_unequal_shares(tmp_path: Path) -> None:
    x, _ = pictures(60, 9)
    uneven = np.array([0] * 40 + [1] * 20)
    assert "class-balance" not in findings(Case(x, uneven), None, tmp_path)


def test_names_are_cut() -> None:
    assert told(["a", "b"]) == "a, b"
    assert told([str(each) for each in range(9)]) == "0, 1, 2, 3, 4 and 4 more"


def test_every_check_takes_an_empty_set(tmp_path: Path) -> None:
    x = np.full((3, 8, 8), np.nan)
    x[0] = 0  # the first one must open
    found = findings(Case(x, None), None, tmp_path)
    assert found["unreadable"].actual == 2
    assert len(checks.CHECKS) == 14
