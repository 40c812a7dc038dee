"""From statistics to the range of each tensor: the methods, each one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeq.quantize.engine.statistics import Statistics, TensorStatistics
from edgeq.quantize.recipe import Ranging

Pair = tuple[float, float]


@dataclass(frozen=True)
class Range:
    """What the integers of a tensor must reach from and to, in real values."""

    low: float
    high: float


Ranges = Mapping[str, Range]


def ranges(statistics: Statistics, how: Ranging) -> dict[str, Range]:
    """The range of every tensor; each holds 0, as LiteRT's integers must."""
    method = METHODS[how.method]
    return {name: _widened(method(tensor, how), how.headroom) for name, tensor in statistics.tensors.items()}


def _min_max(tensor: TensorStatistics, _how: Ranging) -> Pair:
    return tensor.low, tensor.high


NEED_HISTOGRAMS = frozenset({"percentile", "mse", "entropy"})

METHODS: dict[str, Callable[[TensorStatistics, Ranging], Pair]] = {"min-max": _min_max}


def _widened(pair: Pair, headroom: float) -> Range:
    low, high = min(pair[0], 0.0) * headroom, max(pair[1], 0.0) * headroom
    return Range(low, high)
