"""From statistics to the range of each tensor: the methods, each one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.engine.histogram import Histogram
from edgeq.quantize.engine.outliers import outliers
from edgeq.quantize.engine.statistics import Statistics, TensorStatistics
from edgeq.quantize.recipe import Ranging

Pair = tuple[float, float]

MANY = 100
"""Samples whose extremes the method `extrapolated` estimates where it has fewer."""
_EULER = 0.5772156649
_LEVELS = 256
_SHRUNK = np.geomspace(1.0, 0.2, 33)


@dataclass(frozen=True)
class Range:
    """What the integers of a tensor must reach from and to, in real values."""

    low: float
    high: float


Ranges = Mapping[str, Range]


def ranges(statistics: Statistics, how: Ranging) -> dict[str, Range]:
    """The range of every tensor; each holds 0, as LiteRT's integers must. A headroom that `how` leaves to the mode is
    added when the model is written: only then its types are known."""
    careful = how.method != PLAIN
    seen = statistics.without(outliers(statistics)) if careful else statistics
    method = METHODS[how.method]
    return {
        name: _whole_steps(tensor) if tensor.step and careful else _widened(method(tensor, how), how)
        for name, tensor in seen.tensors.items()
    }


def _min_max(tensor: TensorStatistics, _how: Ranging) -> Pair:
    return tensor.low, tensor.high


def _per_sample(tensor: TensorStatistics, how: Ranging) -> Pair:
    """Order statistics of the samples' extremes: a few samples cannot widen the range, however far they reach."""
    share = how.quantile or 0.03
    return float(np.quantile(tensor.lows, share)), float(np.quantile(tensor.highs, 1 - share))


def _extrapolated(tensor: TensorStatistics, how: Ranging) -> Pair:
    """Where there are fewer than `MANY` samples, the extremes that so many would be expected to have: samples' extremes
    follow a Gumbel distribution, fitted by its moments (Gumbel, 1958)."""
    low, high = _min_max(tensor, how)
    if not 2 <= len(tensor.lows) < MANY:
        return low, high
    return -_expected_largest(-tensor.lows), _expected_largest(tensor.highs)


def _expected_largest(extremes: NDArray[np.float32]) -> float:
    if extremes.max() <= 0:
        return 0.0
    spread = float(np.sqrt(6) / np.pi * extremes.std(ddof=1, dtype=np.float64))
    return float(extremes.mean(dtype=np.float64)) + spread * float(np.log(MANY))


def _percentile(tensor: TensorStatistics, how: Ranging) -> Pair:
    """All values but a share at either end."""
    held = _histogram(tensor)
    share = how.quantile or 1e-4
    below = np.cumsum(held.counts) / max(int(held.counts.sum()), 1)
    edges = held.edges()
    low = edges[int(np.searchsorted(below, share, side="right"))]
    high = edges[min(int(np.searchsorted(below, 1 - share, side="left")) + 1, len(edges) - 1)]
    return _inside(tensor, float(low), float(high))


def _mse(tensor: TensorStatistics, _how: Ranging) -> Pair:
    """The ends, each shrunk by itself, that leave the least mean square error in 8 bits, of rounding and clipping."""
    held = _histogram(tensor)
    places = np.flatnonzero(held.counts)
    centres = (held.edges()[:-1] + held.edges()[1:])[places] / 2
    shares = held.counts[places] / max(int(held.counts.sum()), 1)
    low, high = min(tensor.low, 0.0), max(tensor.high, 0.0)

    def error(least: float, most: float) -> float:
        step = (most - least) / (_LEVELS - 1)
        over = np.maximum(np.maximum(centres - most, least - centres), 0.0)
        return float((shares * np.square(over)).sum() + (shares[over == 0].sum()) * step * step / 12)

    for _ in range(2):
        high = min((max(tensor.high, 0.0) * float(part) for part in _SHRUNK), key=lambda most: error(low, most))
        low = min((min(tensor.low, 0.0) * float(part) for part in _SHRUNK), key=lambda least: error(least, high))
    return low, high


def _entropy(tensor: TensorStatistics, _how: Ranging) -> Pair:
    """Both ends shrunk alike so that 8 bits keep most of the distribution: the least Kullback-Leibler divergence
    (Migacz, 2017)."""
    held = _histogram(tensor)
    low, high = min(tensor.low, 0.0), max(tensor.high, 0.0)
    # In doubt the first: nothing is cut off.
    best = min(_SHRUNK, key=lambda part: _divergence(held, low * float(part), high * float(part)))
    return low * float(best), high * float(best)


def _divergence(held: Histogram, low: float, high: float) -> float:
    """Between the values clipped to low..high and the same in 256 steps, each spread over the bins that it covers."""
    centres = (held.edges()[:-1] + held.edges()[1:]) / 2
    inside = (centres >= low - held.width) & (centres <= high + held.width)
    if high <= low:
        return 0.0
    if inside.sum() < 2 * _LEVELS:
        return np.inf  # steps as fine as the bins would seem to lose nothing
    counts = held.counts.astype(np.float64)
    kept = counts[inside].copy()
    kept[0] += counts[centres < centres[inside][0]].sum()
    kept[-1] += counts[centres > centres[inside][-1]].sum()
    steps = np.clip(((centres[inside] - low) / (high - low) * _LEVELS).astype(int), 0, _LEVELS - 1)
    present = counts[inside] > 0
    sums = np.bincount(steps, counts[inside], minlength=_LEVELS)
    shares = np.bincount(steps, present, minlength=_LEVELS)
    coarse = np.where(present, sums[steps] / np.maximum(shares[steps], 1), 0.0)
    first, second = kept / max(kept.sum(), 1), coarse / max(coarse.sum(), 1)
    both = first > 0
    return float((first[both] * np.log(first[both] / np.maximum(second[both], 1e-9))).sum())


NEED_HISTOGRAMS = frozenset({"percentile", "mse", "entropy"})

PLAIN = "min-max"
"""The one method that takes every sample as it is, as TensorFlow's quantizer does. The others leave out samples that
are not like the rest (`edgeq.quantize.engine.outliers`), and keep the steps of inputs that are whole numbers."""

METHODS: dict[str, Callable[[TensorStatistics, Ranging], Pair]] = {
    "min-max": _min_max,
    "robust": _min_max,
    "extrapolated": _extrapolated,
    "per-sample": _per_sample,
    "percentile": _percentile,
    "mse": _mse,
    "entropy": _entropy,
}


def _histogram(tensor: TensorStatistics) -> Histogram:
    assert tensor.histogram is not None, "observe with histograms for this method"
    return tensor.histogram


def _inside(tensor: TensorStatistics, low: float, high: float) -> Pair:
    """Bins are coarser than values: no end lies beyond what was seen."""
    return max(low, min(tensor.low, 0.0)), min(high, max(tensor.high, 0.0))


def _whole_steps(tensor: TensorStatistics) -> Range:
    """256 steps of the input's own size around what was seen; the spare ones go where samples differ more."""
    low, high = min(round(tensor.low / tensor.step), 0), max(round(tensor.high / tensor.step), 0)
    spare = _LEVELS - 1 - (high - low)
    below, above = float(tensor.lows.std()), float(tensor.highs.std())
    share = below / (below + above) if below + above else float(low < 0)
    more = round(spare * share)
    return Range((low - more) * tensor.step, (high + spare - more) * tensor.step)


def _widened(pair: Pair, how: Ranging) -> Range:
    headroom = how.headroom or 1.0
    return Range(min(pair[0], 0.0) * headroom, max(pair[1], 0.0) * headroom)
