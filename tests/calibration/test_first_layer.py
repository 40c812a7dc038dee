"""A Keras model's batch norm says which scale and mean its data had: that needs no labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from practice import Case, bars, bars_case, look, save

from edgeq.calibration import preprocessing
from edgeq.calibration.first_layer import distance
from edgeq.check_data import check_data
from edgeq.finding import Finding
from edgeq.model.norms import Norm

Change = Callable[[np.ndarray], np.ndarray]


def test_the_distance_of_channels_from_their_norm() -> None:
    norm = Norm((0.0, 1.0, 9.0), (1.0, 2.0, 1e-6))
    right = np.array([0.0, 1.0, 0.0]), np.array([1.0, 2.0, 5.0])  # the last channel was dead in training
    assert distance(right, norm) == 0
    assert distance((right[0], right[1] * 2), norm) == pytest.approx(np.log(2))
    assert distance((right[0] + [1, 2, 0], right[1]), norm) == pytest.approx(1)
    assert np.isfinite(distance((right[0], np.zeros(3)), norm))


def scale(folder: Path, model: Path, change: Change) -> list[Finding]:
    data = save(folder / "data.npz", np.asarray(change(bars_case(64).x), np.float32), None)
    return [each for each in check_data(data, model=model).findings if each.code == "scale"]


def test_right_data_fits_the_norm(tmp_path: Path) -> None:
    assert not scale(tmp_path, bars().with_suffix(".keras"), lambda x: x)
    assert not scale(tmp_path, bars().with_suffix(".keras"), lambda x: x[:40])


@pytest.mark.parametrize(
    ("change", "mended"),
    [(lambda x: 2 * x, "divided by 2"), (lambda x: x / 2, "multiplied by 2"), (lambda x: x - 128, "plus 128")],
    ids=["x2", "/2", "-128"],
)
def test_faults_that_answers_do_not_show(tmp_path: Path, change: Change, mended: str) -> None:
    found = scale(tmp_path, bars().with_suffix(".keras"), change)
    assert len(found) == 1 and f" {mended}, they would be" in found[0].message


def test_without_the_norm_nothing_tells(tmp_path: Path) -> None:
    """Known and documented: the float `.tflite` does not hold it."""
    assert not scale(tmp_path, bars(), lambda x: x / 2)


@pytest.mark.parametrize(("factor", "told"), [(1, False), (0.1, False), (1 / 255, True), (255, True)])
def test_a_scaling_of_the_models_own(tmp_path: Path, factor: float, told: bool) -> None:
    case = Case(bars_case(40).x * np.float32(factor), None)
    for norm in (Norm(scaling="rescaling", multiply=(1 / 255,), add=(0.0,)),
                 Norm(scaling="normalization", multiply=(1 / 60,) * 3, add=(-2.0,) * 3)):  # fmt: skip
        evidence = replace(look(case, None, tmp_path), norm=norm)
        found = list(preprocessing.by_scaling(evidence))
        assert [each.code for each in found] == ["scale"] * told, norm
    assert not list(preprocessing.by_scaling(replace(evidence, norm=replace(norm, multiply=(1.0,) * 7))))
