"""The difference of two sides' quantiles, with an interval: a block bootstrap that respects autocorrelation.

A side is one or more runs, each a series of samples in the order they were taken. Blocks of successive samples are
drawn, circularly, inside each run (Politis and Romano, 1992); their length comes from the autocorrelation of the ranks
(Politis and White, 2004, as corrected by Patton and others, 2009), so heavy tails do not hide it. Few blocks make a
bootstrap too sure of itself: the interval is widened as Student's t widens a normal one. Where runs of one side differ
by more than their own samples explain, what is left over is added with the t quantile of the number of runs.

Everything is deterministic: the seed is a constant, and each side draws its own stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, fsum, hypot, log10, pi, sqrt, tan
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeq.stats import Values, bounds

Floats = NDArray[np.float64]

RESAMPLES = 2000
SEED = 0
MOST_DRAWN = 5_000
"""Samples of a side beyond which resamples are drawn from the limit that their quantile tends to."""
_CELLS = 1 << 20


@dataclass(frozen=True)
class Difference:
    """`change` is new - base, or new / base - 1 where it is relative; `low` and `high` bound it, or are None where
    there are too few samples. `effective` says how many independent samples each side's come to."""

    base: float
    new: float
    change: float
    low: float | None
    high: float | None
    n: tuple[int, int]
    effective: tuple[float, float]
    block: int
    between: float = 0.0
    """What runs of one side differ by beyond their own noise: one standard deviation, in the unit of `change`."""
    between_reach: float = 0.0
    """By how much this alone makes the interval reach."""

    @property
    def sure(self) -> bool:
        """Whether there is an interval."""
        return self.low is not None


@dataclass(frozen=True)
class _Side:
    """The runs of one side, the length of a block in each, and the factor by which each is worth fewer samples."""

    runs: tuple[Floats, ...]
    lengths: tuple[int, ...]
    factors: tuple[float, ...]

    @property
    def pooled(self) -> Floats:
        return np.concatenate(self.runs)

    @property
    def effective(self) -> float:
        return float(sum(run.size / factor for run, factor in zip(self.runs, self.factors, strict=True)))

    @property
    def blocks(self) -> float:
        return float(sum(run.size / length for run, length in zip(self.runs, self.lengths, strict=True)))


def difference(
    base: Sequence[Values],
    new: Sequence[Values],
    quantile: float = 0.5,
    *,
    relative: bool = True,
    confidence: float = 0.95,
) -> Difference:
    """How the quantile of `new` differs from that of `base`; each side is a list of runs, each with its samples.

    Where all samples of a side are equal, on both sides, as with counted instructions, the difference is exact.
    """
    sides = _side(base), _side(new)
    pooled = sides[0].pooled, sides[1].pooled
    first, second = (float(np.quantile(values, quantile)) for values in pooled)
    relative = relative and first != 0
    told = Difference(
        base=first,
        new=second,
        change=second / first - 1 if relative else second - first,
        low=None,
        high=None,
        n=(pooled[0].size, pooled[1].size),
        effective=(sides[0].effective, sides[1].effective),
        block=max(*sides[0].lengths, *sides[1].lengths),
    )
    if min(told.n) > 1 and all(values.min() == values.max() for values in pooled):
        return replace(told, low=told.change, high=told.change)
    if not all(bounds(int(count), quantile, confidence) for count in told.effective):
        return told
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = _interval(sides, quantile, relative, confidence)
    widen = _few_blocks(min(side.blocks for side in sides), z)
    scale = abs(first) if relative else 1.0
    excess, reach = (each / scale for each in _between(sides, quantile, z))
    step = resolution(pooled) / scale
    below = hypot(max(told.change - low, 0) * widen, reach) + step
    above = hypot(max(high - told.change, 0) * widen, reach) + step
    low = told.change - below
    return replace(
        told,
        low=max(low, -1.0) if relative and min(first, second) >= 0 else low,
        high=told.change + above,
        between=excess,
        between_reach=reach,
    )


def _side(runs: Sequence[Values]) -> _Side:
    arrays = tuple(np.asarray(run, np.float64) for run in runs if len(run))
    plans = [dependence(run) for run in arrays]
    return _Side(arrays, tuple(length for length, _ in plans), tuple(factor for _, factor in plans))


def _interval(sides: tuple[_Side, _Side], quantile: float, relative: bool, confidence: float) -> tuple[float, float]:
    """The percentile interval of the bootstrap."""
    streams = np.random.SeedSequence(SEED).spawn(2)
    base, new = (
        _resampled(side.runs, side.lengths, quantile, np.random.default_rng(stream))
        for side, stream in zip(sides, streams, strict=True)
    )
    tail = (1 - confidence) / 2
    changes = new / base - 1 if relative else new - base
    low, high = np.quantile(changes, (tail, 1 - tail))
    return float(low), float(high)


def dependence(values: Floats) -> tuple[int, float]:
    """Length of a block, and by what factor autocorrelation raises the variance of a mean of ranks (at least 1)."""
    n = values.size
    if n < 20 or values.min() == values.max():
        return 1, 1.0
    covariance = _autocovariance(_ranks(values))
    correlation = covariance / covariance[0]
    quiet, most = max(5, ceil(log10(n))), ceil(sqrt(n)) + max(5, ceil(log10(n)))
    loud = np.abs(correlation[1 : most + quiet + 1]) > 2 * sqrt(log10(n) / n)
    last = next((lag for lag in range(most) if not loud[lag : lag + quiet].any()), most)
    if last == 0:
        return 1, 1.0
    width = min(2 * last, most)
    lags = np.arange(1, width + 1)
    window = np.where(lags / width <= 0.5, 1.0, 2 * (1 - lags / width))
    factor = float(1 + 2 * (window * correlation[1 : width + 1]).sum())
    slope = float(2 * (window * lags * correlation[1 : width + 1]).sum())
    if factor <= 0:
        return 1, 1.0
    length = ceil((1.5 * slope * slope / (factor * factor) * n) ** (1 / 3))
    return max(1, min(length, ceil(min(3 * sqrt(n), n / 3)))), max(1.0, factor)


def resolution(sides: Sequence[Floats]) -> float:
    """The clock's step where it is coarse: the least distance of two values, where each occurs ten times on average;
    else 0, for then ties say nothing."""
    values = np.unique(np.concatenate(sides))
    if values.size < 2 or sum(side.size for side in sides) < 10 * values.size:
        return 0.0
    return float(np.diff(values).min())


def _ranks(values: Floats) -> Floats:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[places.reshape(-1)]
    return ranks


def _autocovariance(values: Floats) -> Floats:
    n = values.size
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(values - values.mean(), size)
    covariance: Floats = np.fft.irfft(spectrum * np.conj(spectrum), size)[:n] / n
    return covariance


def _resampled(runs: Sequence[Floats], lengths: Sequence[int], quantile: float, random: np.random.Generator) -> Floats:
    """The pooled quantile of resamples: each run is drawn anew in blocks, as many samples as it has.

    Ranks are drawn instead of values, which sort faster. Of very many samples the share below the quantile is drawn
    from its normal limit instead, with the variance that the blocks give it.
    """
    ordered = np.sort(np.concatenate(runs))
    if ordered.size > MOST_DRAWN:
        return _limit(ordered, runs, lengths, quantile, random)
    ranks = [np.searchsorted(ordered, run).astype(np.uint16) for run in runs]
    place = quantile * (ordered.size - 1)
    lower, part = int(place), place - int(place)
    rows, found = max(1, _CELLS // ordered.size), np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, rows):
        height = min(rows, RESAMPLES - start)
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
    ordered: Floats, runs: Sequence[Floats], lengths: Sequence[int], quantile: float, random: np.random.Generator
) -> Floats:
    middle, variance = np.quantile(ordered, quantile), 0.0
    for run, length in zip(runs, lengths, strict=True):
        below = np.concatenate([run, run[: length - 1]]) <= middle
        sums = np.convolve(below, np.ones(length), "valid")
        variance += float(sums.var()) * run.size / length
    shares = quantile + random.standard_normal(RESAMPLES) * sqrt(variance) / ordered.size
    return np.interp(np.clip(shares, 0, 1) * (ordered.size - 1), np.arange(ordered.size), ordered)


def _few_blocks(blocks: float, z: float) -> float:
    """By what factor an interval from so few blocks must be wider: the variance's n / (n - 1), and Student's t."""
    freedom = max(blocks, 2.0) - 1
    return sqrt((freedom + 1) / freedom) * (1 + (1 + z * z) / (8 * freedom))


def _between(sides: tuple[_Side, _Side], quantile: float, z: float) -> tuple[float, float]:
    """Standard deviation between runs of a side beyond their own noise, and how far it makes the interval reach."""
    freedom = sum(len(side.runs) - 1 for side in sides)
    if not freedom:
        return 0.0, 0.0
    spread = own = 0.0
    for number, side in enumerate(sides):
        if len(side.runs) > 1:
            middles = np.array([np.quantile(run, quantile) for run in side.runs])
            spread += float(((middles - middles.mean()) ** 2).sum())
            random = np.random.default_rng((SEED, number))
            own += (len(side.runs) - 1) * float(
                np.mean(
                    [
                        _resampled((run,), (length,), quantile, random).var()
                        for run, length in zip(side.runs, side.lengths, strict=True)
                    ]
                )
            )
    excess = sqrt(max(0.0, spread - own) / freedom)
    return excess, _student(z, freedom) * excess * sqrt(sum(1 / len(side.runs) for side in sides))


def _student(z: float, freedom: int) -> float:
    """Student's t where a normal variable would have `z`: exact for 1 and 2, else Abramowitz and Stegun, 26.7.5."""
    p = NormalDist().cdf(z)
    if freedom == 1:
        return tan(pi * (p - 0.5))
    if freedom == 2:
        return (2 * p - 1) / sqrt(2 * p * (1 - p))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + fsum(term / float(freedom) ** power for power, term in enumerate(terms, 1))
