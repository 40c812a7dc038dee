"""One number for what a model says of a sample, by which drift shows where nobody has labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.interface import Interface
from edgeq.model.tflite import ModelInfo
from edgeq.passport.histogram import Bins, even, of_tensor
from edgeq.quantize.samples import Samples, each

CONFIDENCE, VALUE, RECONSTRUCTION = "confidence", "value", "reconstruction"
MOST_CLASSES = 10_000
_PROBABILITIES = ("SOFTMAX", "LOGISTIC")


@dataclass(frozen=True)
class Score:
    """`kind`: the greatest value of the last output (`confidence`), its only one (`value`), or how far the output is
    from the input, as mean of squares (`reconstruction`, of autoencoders). `classes`: how many the model tells apart by
    its greatest value, 0 where it tells none."""

    kind: str
    classes: int

    def values(self, interface: Interface, samples: Samples, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """One for each sample; `outputs` (n, m) are real values of the last output."""
        if self.kind != RECONSTRUCTION:
            return np.asarray(outputs.max(axis=1), np.float64)
        given = (np.asarray(values[0], np.float64).ravel() for values in each(samples, interface.inputs))
        return np.array([((one - other) ** 2).mean() for one, other in zip(given, outputs, strict=True)])

    def bins(self, interface: Interface, values: NDArray[np.float64]) -> Bins:
        """The edges; `values` matter only where the output does not tell them, and only those that are finite."""
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if self.kind == RECONSTRUCTION:
            return even(0.0, 1.5 * high)
        return of_tensor(interface.outputs[-1], low, high)

    def predicted(self, outputs: NDArray[np.float32]) -> list[int] | None:
        """How often each class had the greatest value."""
        return counted(outputs.argmax(axis=1), self.classes) if self.classes else None


def score_of(interface: Interface, info: ModelInfo) -> Score:
    """Which score suits a model."""
    output = interface.outputs[-1]
    extents = [size for size in output.shape[1:] if size != 1]
    size = math.prod(extents)
    if _autoencoder(interface, info, size):
        return Score(RECONSTRUCTION, 0)
    if size == 1:
        return Score(VALUE, 0)
    return Score(CONFIDENCE, size if len(extents) == 1 and size <= MOST_CLASSES else 0)


def counted(numbers: NDArray[Any], classes: int) -> list[int]:
    """How often each class number from 0 to `classes` - 1 occurs; others do not count."""
    known = numbers[(numbers >= 0) & (numbers < classes)].astype(np.int64)
    return [int(count) for count in np.bincount(known, minlength=classes)]


def _autoencoder(interface: Interface, info: ModelInfo, size: int) -> bool:
    """Its output is as large as its only input, and is neither named nor made into probabilities."""
    operators = info.subgraphs[0].operators
    probable = any(operator.name in _PROBABILITIES for operator in operators[-2:])
    one = len(interface.inputs) == len(interface.outputs) == 1
    return one and size > 1 and math.prod(interface.inputs[0].shape) == size and not (interface.labels or probable)
