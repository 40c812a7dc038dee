"""Histograms with fixed edges, which a device can fill as well: of integers, equal groups of neighbouring ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.interface import Tensor
from edgeq.passport.figures import rounded

BINS = 32
_INTEGERS = ("int8", "uint8", "int16")


@dataclass(frozen=True)
class Bins:
    """`BINS` + 1 edges, in real values. Where `tensor` is there, values are made its integers before they are counted:
    what the model sees, and a device too."""

    edges: tuple[float, ...]
    tensor: Tensor | None = None

    def counter(self) -> Counter:
        """An empty histogram."""
        return Counter(self)


@dataclass
class Counter:
    """`counts` of the bins. A value below the first edge counts in the first bin and one above the last in the last;
    `below` and `above` say how many those were."""

    bins: Bins
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    below: int = 0
    above: int = 0

    def add(self, values: NDArray[Any]) -> None:
        """Count real values of any shape; what is no number is not counted."""
        real, edges = np.asarray(values, np.float64).ravel(), self.bins.edges
        real = real[~np.isnan(real)]
        self.below += int((real < edges[0]).sum())
        self.above += int((real > edges[-1]).sum())
        tensor = self.bins.tensor
        seen = real if tensor is None else tensor.dequantize(tensor.quantize(real))
        places = np.searchsorted(edges, seen, side="right") - 1
        self.counts += np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)

    def to_json(self) -> dict[str, Any]:
        """Without the edges, which several histograms share."""
        return {"counts": self.counts.tolist(), "below": self.below, "above": self.above}


def is_fixed(tensor: Tensor) -> bool:
    """Whether the integers of `tensor` tell the edges."""
    return tensor.scale != 0 and tensor.dtype in _INTEGERS


def of_tensor(tensor: Tensor, low: float, high: float) -> Bins:
    """For the values of `tensor`: its integers in `BINS` groups of equal size; of floats `BINS` equal parts of
    [low, high]."""
    if not is_fixed(tensor):
        return even(low, high)
    limits = np.iinfo(tensor.dtype)
    group = (int(limits.max) - int(limits.min) + 1) // BINS
    first = [int(limits.min) + group * place for place in range(BINS + 1)]
    return Bins(tuple(rounded((integer - 0.5 - tensor.zero_point) * tensor.scale) for integer in first), tensor)


def even(low: float, high: float) -> Bins:
    """`BINS` equal parts; of a range without extent, around it."""
    if not high > low:
        low, high = low - 0.5, low + 0.5
    return Bins(tuple(rounded(edge) for edge in np.linspace(low, high, BINS + 1)))
