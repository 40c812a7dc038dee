from __future__ import annotations

import numpy as np
import pytest

from edgeq.evaluate.confidence import OUTPUTS, SIGMOID, SOFTMAX, calibration_error, how, probabilities


def test_confidence_that_is_right_has_no_error() -> None:
    sure = np.array([[0.8, 0.2]] * 10)
    assert calibration_error(sure, np.array([0] * 8 + [1] * 2)) == pytest.approx(0)
    assert calibration_error(sure, np.zeros(10, int)) == pytest.approx(0.2)
    assert calibration_error(sure, np.ones(10, int)) == pytest.approx(0.8)


def test_bins_are_weighed_by_their_samples() -> None:
    rows = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]])
    assert calibration_error(rows, np.array([0, 0, 0, 1])) == pytest.approx(3 / 4 * 0.1 + 1 / 4 * 0.6)
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0


def test_what_makes_probabilities_of_outputs() -> None:
    eighths = np.array([[0.99609375, 0.0, 0.0], [0.33203125, 0.33203125, 0.33203125]])  # an 8-bit softmax
    assert how(eighths) == OUTPUTS
    assert how(np.array([[2.0, -1.0]])) == how(np.array([[0.9, 0.9]])) == SOFTMAX
    assert how(np.array([[0.3], [0.9]])) == OUTPUTS and how(np.array([[-3.0], [0.9]])) == SIGMOID
    assert probabilities(np.array([[1000.0, 1000.0]]), SOFTMAX).tolist() == [[0.5, 0.5]]
    assert probabilities(np.array([[0.0]]), SIGMOID).tolist() == [[0.5, 0.5]]
    assert probabilities(np.array([[0.25]]), OUTPUTS).tolist() == [[0.75, 0.25]]
