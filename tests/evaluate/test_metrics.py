from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.errors import UsageError
from edgeq.evaluate.metrics import decisions, metric, score
from edgeq.evaluate.scorer import Mean

OUTPUTS = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [0.6, 0.3, 0.1]])
LABELS = np.array([0, 2, 2, 1])


def test_accuracy_and_top_k() -> None:
    assert score(OUTPUTS, LABELS, "accuracy") == score(OUTPUTS, LABELS, "top-1") == 0.5
    assert score(OUTPUTS, LABELS, "top-2") == 1.0
    assert score(np.zeros((3, 3)), np.arange(3), "top-2") == pytest.approx(2 / 3)  # ties: the first ones come first


def test_one_output_decides_at_a_half_or_at_zero() -> None:
    assert decisions(np.array([[0.4], [0.6]])).tolist() == [0, 1]
    assert decisions(np.array([[-0.4], [0.3]])).tolist() == [0, 1]


def test_f1_is_the_mean_over_the_classes_that_occur() -> None:
    # Class 0: precision 1/2, recall 1; class 1: none right; class 2: precision 1, recall 1/2.
    assert score(OUTPUTS, LABELS, "f1") == pytest.approx((2 / 3 + 0 + 2 / 3) / 3)


def test_auc_of_two_classes_and_of_several() -> None:
    assert score(np.array([[0.1], [0.4], [0.35], [0.8]]), np.array([0, 0, 1, 1]), "auc") == 0.75
    two = np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])
    assert score(two, np.array([0, 0, 1, 1]), "auc") == 0.75
    each = [score(OUTPUTS[:, number : number + 1], (number == LABELS).astype(int), "auc") for number in range(3)]
    assert score(OUTPUTS, LABELS, "auc") == pytest.approx(np.mean(each))


def test_miou_is_of_the_whole_set_and_leaves_void_pixels_out() -> None:
    masks = np.array([[[0, 1], [1, 255]], [[0, 0], [0, 0]]])
    said = np.array([[[0, 1], [0, 1]], [[0, 0], [0, 1]]])
    outputs = np.eye(2)[said].reshape(2, -1)
    # Class 0: 4 in both, 6 in either; class 1: 1 in both, 3 in either.
    assert score(outputs, masks, "miou") == pytest.approx((4 / 6 + 1 / 3) / 2)
    assert score(said.reshape(2, -1).astype(float), masks, "miou") == pytest.approx((4 / 6 + 1 / 3) / 2)
    with pytest.raises(UsageError, match="The masks have 4 pixels; the model's output has 6 values"):
        score(np.zeros((2, 6)), masks, "miou")


def test_errors_are_better_where_they_are_lower() -> None:
    outputs, true = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 5.0]])
    assert score(outputs, true, "mae") == 0.75 and score(outputs, true, "mse") == 1.25
    assert metric("mae").sign == -1 and metric("accuracy").sign == 1
    with pytest.raises(UsageError, match=r"label of a sample has 2 numbers, the model's output has 1 number\."):
        score(outputs[:, :1], true, "mae")


def test_a_metric_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "own_metric.py").write_text(
        "import numpy as np\n"
        "def worst(outputs, labels):\n    return float(np.abs(outputs.ravel() - labels).max())\n"
        "worst.higher_is_better = False\nworst.unit = 'degrees'\n"
        "def each(outputs, labels):\n    return np.abs(outputs.ravel() - labels)\n"
        "def odd(outputs, labels):\n    return [1, 2]\n"
    )
    outputs, labels = np.array([[1.0], [2.0], [5.0]]), np.array([1.0, 1.0, 1.0])
    worst = metric("own_metric:worst", tmp_path)
    assert (score(outputs, labels, worst), worst.higher, worst.unit) == (4.0, False, "degrees")
    assert worst.scorer(outputs, labels).under(np.array([[1], [2], [0]], np.float32)).tolist() == [1.0]
    assert isinstance(metric("own_metric:each", tmp_path).scorer(outputs, labels), Mean)
    with pytest.raises(UsageError, match="neither a finite number nor one for each of the 3 samples"):
        score(outputs, labels, metric("own_metric:odd", tmp_path))


def test_an_unknown_metric_is_told() -> None:
    with pytest.raises(UsageError, match="no metric 'top-0'"):
        metric("top-0")
