"""Which metric suits, and what is said where model, labels and metric do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from segmenter import pictures, segmenter

from edgeq.errors import UsageError
from edgeq.evaluate.fitting import fitting
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.predict import Variant
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.quantize.samples import as_samples


def _variant(classes: int) -> Variant:
    model = segmenter(4, classes, quantized=False)
    return Variant(model, describe(read_model(model)))


def _data(targets: NDArray[Any]) -> Labelled:
    return Labelled(as_samples(pictures(len(targets), 4)), None, "", "set", targets)


MASKS = np.arange(32).reshape(2, 4, 4) % 3


@pytest.mark.parametrize(
    ("targets", "classes", "name"),
    [
        (MASKS, 3, "miou"),
        (np.where(MASKS == 2, 255, MASKS), 2, "miou"),
        (MASKS.reshape(2, 4, 4, 1), 3, "miou"),
        (MASKS > 1, 1, "miou"),
        (np.full((2, 4, 4, 3), 200, np.uint8), 3, "mae"),
        (MASKS.astype(np.float32), 1, "mae"),
        (np.zeros((2, 48)), 3, "mae"),
    ],
)
def test_the_metric_that_suits(targets: NDArray[Any], classes: int, name: str) -> None:
    assert fitting(_variant(classes), _data(targets), "").name == name


@pytest.mark.parametrize(
    ("targets", "classes", "words"),
    [
        (np.zeros((2, 8, 2), np.uint8), 3, r"have the shape \[8, 2\], the model's output \[4, 4, 3\]"),
        (np.zeros((2, 6, 6), np.uint8), 3, r"have the shape \[6, 6\]"),
        (255 * (MASKS > 1), 1, "hold nothing but 0 and 255"),
        (MASKS, 2, r"classes up to 2; the model knows 2 \(0..1\)"),
        (MASKS / 2, 3, "has no masks of class numbers"),
        (np.zeros((2, 16), np.uint8), 3, "has no masks of class numbers"),
    ],
)
def test_masks_that_do_not_fit_are_told(targets: NDArray[Any], classes: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        fitting(_variant(classes), _data(targets), "miou")
