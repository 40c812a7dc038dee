"""What a quantile would have been, had a bench been made again: one block bootstrap, for one run or several.

Blocks of successive samples are drawn, circularly, inside each run (Politis and Romano, 1992), for what disturbs a
bench lasts for several samples. Their length comes from the autocorrelation of the samples' ranks, so that heavy tails
do not hide it, through a flat-top lag window (Politis and White, 2004, as corrected by Patton and others, 2009). Blocks
see a part of the correlation only: the draws are spread until their variance is the one that the window finds, which is
itself corrected for the mean that was taken off. How little is known of that variance makes them spread as Student's t
does.

Everything is deterministic: the generator, or its seed, is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10, sqrt

import numpy as np
from numpy.typing import NDArray

from edgeq.stats import Floats, Values, bounds, check_fraction, interval, to_floats

MOST_DRAWN = 5_000
"""Samples beyond which resamples are drawn from the limit that their quantile tends to."""
_FEWEST = 20
"""Samples that tell an autocorrelation."""
_CELLS = 1 << 20


@dataclass(frozen=True)
class Dependence:
    """How alike successive samples of a run are. `length` is that of a block; `factor` by how much autocorrelation
    raises the variance of a mean of ranks (at least 1), and `seen` as much of it as blocks of that length show;
    `freedom` the degrees of freedom of this estimate."""

    length: int
    factor: float
    seen: float
    freedom: float


def dependence(values: Floats) -> Dependence:
    """How alike successive values are; of fewer than 20, and of equal ones, nothing is known."""
    n = values.size
    apart = Dependence(1, 1.0, 1.0, max(1.0, n - 1.0))
    if n < _FEWEST or values.min() == values.max():
        return apart
    correlation = _autocorrelation(_ranks(values))
    width = _width(correlation)
    if not width:
        return apart
    lags = np.arange(1, width + 1)
    window = np.where(lags / width <= 0.5, 1.0, 2 * (1 - lags / width))
    inside = correlation[1 : width + 1]
    found, slope = float(1 + 2 * (window * inside).sum()), float(2 * (window * lags * inside).sum())
    if found <= 1:
        return apart
    length = ceil((1.5 * slope * slope / (found * found) * n) ** (1 / 3))
    length = max(1, min(length, ceil(min(3 * sqrt(n), n / 3))))
    # A mean was taken off: each autocovariance is too small by the variance of that mean.
    factor = found / (1 - (1 + 2 * float(window.sum())) / n)
    within = np.arange(1, length)
    blocks = float(1 + 2 * ((1 - within / length) * correlation[1:length]).sum())
    return Dependence(length, factor, min(max(1.0, blocks), factor) * (1 - length / n), 1.5 * n / width)


def block_quantiles(
    runs: Sequence[Values],
    quantile: float,
    resamples: int,
    random: np.random.Generator,
    *,
    student: bool = True,
    plans: Sequence[Dependence] | None = None,
) -> Floats:
    """The quantile of all samples together in each of so many resamples, within the range of the samples; each run is
    drawn anew in blocks, as many samples as it has. Without `student` they spread as if their variance was known.
    `plans` tell how alike samples of each run are, where that is known already."""
    arrays = [to_floats(run) for run in runs]
    plans = plans or [dependence(run) for run in arrays]
    ordered = np.sort(np.concatenate(arrays))
    draw = _limit if ordered.size > MOST_DRAWN else _drawn
    found = draw(ordered, arrays, [plan.length for plan in plans], quantile, resamples, random)
    parts = [run.size * plan.factor for run, plan in zip(arrays, plans, strict=True)]
    seen = sum(run.size * plan.seen for run, plan in zip(arrays, plans, strict=True))
    stretch = np.full(resamples, sqrt(sum(parts) / seen))
    if student:
        freedom = sum(parts) ** 2 / sum(part * part / plan.freedom for part, plan in zip(parts, plans, strict=True))
        stretch *= np.sqrt(freedom / random.chisquare(freedom, resamples))
    middle = float(np.quantile(ordered, quantile))
    told: Floats = np.clip(middle + (found - middle) * stretch, ordered[0], ordered[-1])
    return told


def bootstrap_interval(
    values: Values, quantile: float = 0.5, confidence: float = 0.95, *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """A percentile interval of a quantile from resamples."""
    check_fraction(quantile, "quantile")
    check_fraction(confidence, "confidence")
    drawn = block_quantiles([values], quantile, resamples, np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail), method="linear")
    return float(low), float(high)


def quantile_interval(values: Values, quantile: float, confidence: float = 0.95) -> tuple[float, float, str]:
    """An interval of a quantile and how it was obtained: from order statistics where there are enough values to bound
    it on both sides, else by the bootstrap, which then sees nothing beyond the least and the greatest value."""
    array = to_floats(values)
    if bounds(array.size, quantile, confidence):
        return (*interval(array, quantile, confidence), "order statistics")
    return (*bootstrap_interval(array, quantile, confidence), "bootstrap")


def _width(correlation: Floats) -> int:
    """How many lags the window takes: twice the last before which autocorrelation is not lost in noise; 0 for none."""
    n = correlation.size
    quiet = max(5, ceil(log10(n)))
    most = ceil(sqrt(n)) + quiet
    loud = np.abs(correlation[1 : most + quiet + 1]) > 2 * sqrt(log10(n) / n)
    last = next((lag for lag in range(most) if not loud[lag : lag + quiet].any()), most)
    return min(2 * last, n // 3)


def _ranks(values: Floats) -> Floats:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[places.reshape(-1)]
    return ranks


def _autocorrelation(values: Floats) -> Floats:
    n = values.size
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(values - values.mean(), size)
    covariance: Floats = np.fft.irfft(spectrum * np.conj(spectrum), size)[:n]
    correlation: Floats = covariance / covariance[0]
    return correlation


def _drawn(
    ordered: Floats,
    runs: Sequence[Floats],
    lengths: Sequence[int],
    quantile: float,
    resamples: int,
    random: np.random.Generator,
) -> Floats:
    """Quantiles of resamples. Ranks are drawn instead of values, which sort faster."""
    ranks = [np.searchsorted(ordered, run).astype(np.uint16) for run in runs]
    place = quantile * (ordered.size - 1)
    lower, part = int(place), place - int(place)
    rows, found = max(1, _CELLS // ordered.size), np.empty(resamples)
    for start in range(0, resamples, rows):
        height = min(rows, resamples - start)
        drawn = [_blocks(run, length, height, random) for run, length in zip(ranks, lengths, strict=True)]
        table = np.sort(np.concatenate(drawn, axis=1), axis=1)
        low, high = ordered[table[:, lower]], ordered[table[:, min(lower + 1, ordered.size - 1)]]
        found[start : start + height] = low + part * (high - low)
    return found


def _blocks(ranks: NDArray[np.uint16], length: int, height: int, random: np.random.Generator) -> NDArray[np.uint16]:
    n = ranks.size
    starts = random.integers(0, n, size=(height, ceil(n / length)))
    around = np.concatenate([ranks, ranks[: length - 1]])
    picks = starts if length == 1 else (starts[:, :, None] + np.arange(length)).reshape(height, -1)[:, :n]
    drawn: NDArray[np.uint16] = around[picks]
    return drawn


def _limit(
    ordered: Floats,
    runs: Sequence[Floats],
    lengths: Sequence[int],
    quantile: float,
    resamples: int,
    random: np.random.Generator,
) -> Floats:
    """The same of very many samples: the share below the quantile is drawn from its normal limit, with the variance
    that the blocks give it."""
    middle, variance = np.quantile(ordered, quantile), 0.0
    for run, length in zip(runs, lengths, strict=True):
        below = np.concatenate([run, run[: length - 1]]) <= middle
        sums = np.convolve(below, np.ones(length), "valid")
        variance += float(sums.var()) * run.size / length
    shares = quantile + random.standard_normal(resamples) * sqrt(variance) / ordered.size
    return np.interp(np.clip(shares, 0, 1) * (ordered.size - 1), np.arange(ordered.size), ordered)
