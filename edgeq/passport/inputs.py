"""What the samples of a set look like to the model: figures and a histogram for each of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.interface import Tensor
from edgeq.passport.figures import rounded
from edgeq.passport.histogram import Bins, is_fixed, of_tensor
from edgeq.quantize.samples import Samples, each, sentence


class Observed:
    """Least, greatest, mean and standard deviation of the real values of one input, and their histogram."""

    def __init__(self, name: str, bins: Bins) -> None:
        self.name, self.bins, self.histogram = name, bins, bins.counter()
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self.min, self.max = np.inf, -np.inf

    def add(self, values: NDArray[Any]) -> None:
        """One sample. Means and squares of parts are combined as Chan, Golub and LeVeque (1983) do, which cancels
        nothing."""
        real = np.asarray(values, np.float64)
        mean, size = float(real.mean()), real.size
        away, whole = mean - self.mean, self.count + size
        self.squares += float(((real - mean) ** 2).sum()) + away * away * self.count * size / whole
        self.mean += away * size / whole
        self.count = whole
        self.min, self.max = min(self.min, float(real.min())), max(self.max, float(real.max()))
        self.histogram.add(real)

    def to_json(self) -> dict[str, Any]:
        """The figures in real values, before quantization."""
        return {
            "min": rounded(self.min),
            "max": rounded(self.max),
            "mean": rounded(self.mean),
            "std": rounded((self.squares / self.count) ** 0.5),
            "histogram": {"edges": list(self.bins.edges), **self.histogram.to_json()},
        }


def bins_for(inputs: Sequence[Tensor], samples: Samples) -> tuple[Bins, ...]:
    """The edges for each input; `samples` are read only where an input is of floats, whose range nothing else tells."""
    if all(map(is_fixed, inputs)):
        return tuple(of_tensor(tensor, 0, 0) for tensor in inputs)
    low, high = [np.inf] * len(inputs), [-np.inf] * len(inputs)
    for values in each(samples, inputs):
        low = [min(was, float(value.min())) for was, value in zip(low, values, strict=True)]
        high = [max(was, float(value.max())) for was, value in zip(high, values, strict=True)]
    return tuple(of_tensor(*item) for item in zip(inputs, low, high, strict=True))


def observe(inputs: Sequence[Tensor], bins: Sequence[Bins], samples: Samples) -> list[Observed]:
    """Every sample of a set, one at a time. `UsageError` names one that is not finite."""
    found = [Observed(tensor.name, edges) for tensor, edges in zip(inputs, bins, strict=True)]
    for index, values in enumerate(each(samples, inputs)):
        for observed, value in zip(found, values, strict=True):
            if not np.isfinite(value).all():
                raise UsageError(
                    f"{sentence(samples.title(index))} has values that are not finite (NaN or infinity).",
                    "Clean the data, or the steps of [preprocess] that made them.",
                )
            observed.add(value)
    return found
