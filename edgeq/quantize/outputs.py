"""What a model answers, as real values, and how far a quantized one is from the float one.

Run it where a crash of the runtime does no harm: the models run in this process.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq import runtime
from edgeq.errors import ConvertError
from edgeq.model.info import ModelInfo
from edgeq.model.tflite import read_model
from edgeq.quantize.samples import Samples, each

Floats = NDArray[np.float32]

_VALUES = 1 << 22
"""So many numbers are computed with at once."""
SQUASHING = ("SOFTMAX", "LOGISTIC")
"""Operators that hide how far their input is off."""


class Runner:
    """One model, loaded to be watched: `answers` gives its last output before a softmax or sigmoid, `tensors` all that
    lies between its operators, each as real values."""

    def __init__(self, model: bytes, kernels: str = "builtin") -> None:
        self.info = read_model(model)
        try:
            self._runner = runtime.Model(model, kernels=kernels, watch=True)
        except RuntimeError as error:
            raise ConvertError(f"The model does not run here: {error}", "Leave out what was changed last.") from error
        self._answer = answer(self.info)

    def answers(self, samples: Samples) -> Floats:
        """(n, m): one row for each sample."""
        rows = []
        for values in each(samples, self.info.inputs):
            self._run(values)
            rows.append(self.tensor(self._answer).ravel())
        return np.array(rows, np.float32)

    def run(self, values: list[NDArray[np.generic]]) -> None:
        """One inference on real values."""
        self._run(values)

    def tensor(self, index: int) -> Floats:
        """A tensor of the main graph after the last inference, as real values."""
        found = self._runner.tensor(index)
        if found is None:
            raise ConvertError(f"The runtime does not show the tensor {index}.", "Leave this model out.")
        facts = self.info.subgraphs[0].tensors[index]
        if not facts.scales or found.dtype.kind == "f":
            return np.array(found, np.float32)
        return np.asarray((found.astype(np.float64) - facts.zero_points[0]) * facts.scales[0], np.float32)

    def integers(self, index: int) -> NDArray[np.generic]:
        """A tensor as it is stored."""
        return np.array(self._runner.tensor(index))

    def _run(self, values: list[NDArray[np.generic]]) -> None:
        encoded = [tensor.encode(value) for tensor, value in zip(self._runner.inputs, values, strict=True)]
        self._runner.load(encoded)
        self._runner.run()


def answer(info: ModelInfo) -> int:
    """The place of the tensor that the last output is made of: before casts, reshapes, a softmax or a sigmoid."""
    graph = info.subgraphs[0]
    makers = {index: operator for operator in graph.operators for index in operator.outputs}
    place = graph.outputs[-1]
    while place in makers and makers[place].name in (*SQUASHING, "DEQUANTIZE", "QUANTIZE", "RESHAPE"):
        place = makers[place].inputs[0]
    return place


def parts(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Rows of an array (n, ...), so many at once that float64 copies of them are small."""
    size = max(1, _VALUES // max(1, math.prod(rows.shape[1:])))
    yield from (rows[start : start + size] for start in range(0, len(rows), size))


def sqnr_db(wanted: Floats, got: Floats) -> float:
    """Power of the signal over that of the error, in dB; 200 where there is no error."""
    signal, error = 0.0, 0.0
    for one, other in zip(parts(wanted), parts(got), strict=True):
        signal += np.square(one, dtype=np.float64).sum()
        error += np.square(one - other, dtype=np.float64).sum()
    if not error:
        return 200.0
    return float(np.clip(10 * np.log10(max(signal, 1e-30) / error), -200, 200))
