"""The checks that need no model: classes, constant samples, clipping, copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from practice import Case, findings, pictures, save

from edgeq.calibration import checks
from edgeq.calibration.evidence import told
from edgeq.check_data import check_data


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


def test_a_class_that_only_the_evaluation_set_has_is_missing(tmp_path: Path) -> None:
    x, y = pictures(60, 9)
    test = save(tmp_path / "test.npz", *pictures(60, 10))
    one, all_of_them = save(tmp_path / "one.npz", x, np.zeros(60, np.int64)), save(tmp_path / "all.npz", x, y)
    found = {each.code: each for each in check_data(one, eval_data=test).findings}
    assert found["class-missing"].message.startswith("5 of 6 classes")
    assert "class-missing" not in {each.code for each in check_data(all_of_them, eval_data=test).findings}


def test_tones_that_fade_alike_are_no_copies(tmp_path: Path) -> None:
    time = np.arange(2000) / 8000
    draw = np.random.default_rng(0)
    tones = [np.sin(2 * np.pi * draw.uniform(900, 1500) * time + draw.uniform(0, 6)) for _ in range(80)]
    fades = np.exp(-np.outer(draw.uniform(1, 6, 80), time)) * draw.uniform(3000, 9000, (80, 1))
    clips = np.round(np.array(tones) * fades).astype(np.int16)
    assert not {"duplicates", "near-duplicates"} & set(findings(Case(clips, None), None, tmp_path, rate_hz=8000))
    clips[-4:] = clips[:4] + draw.integers(-9, 10, (4, 2000))
    assert findings(Case(clips, None), None, tmp_path, rate_hz=8000)["near-duplicates"].severity == "warning"


def test_names_are_cut() -> None:
    assert told(["a", "b"]) == "a, b"
    assert told([str(each) for each in range(9)]) == "0, 1, 2, 3, 4 and 4 more"


def test_every_check_takes_an_empty_set(tmp_path: Path) -> None:
    x = np.full((3, 8, 8), np.nan)
    x[0] = 0  # the first one must open
    found = findings(Case(x, None), None, tmp_path)
    assert found["unreadable"].actual == 2
    assert len(checks.CHECKS) == 14
