"""The difference of two sides' quantiles, with an interval from the block bootstrap (`edgeq/bootstrap.py`).

A side is one or more runs, each a series of samples in the order they were taken. Where runs of one side differ by more
than their own samples explain, what is left over is added with the t quantile of the number of runs.

Everything is deterministic: the seed is a constant, and each side draws its own stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum, hypot, pi, sqrt, tan
from statistics import NormalDist

import numpy as np

from edgeq.bootstrap import Dependence, block_quantiles, dependence
from edgeq.stats import Floats, Values, bounds

RESAMPLES = 2000
SEED = 0
_Runs = tuple[Floats, ...]
_Plans = Sequence[Sequence[Dependence]]


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
    sides = _runs(base), _runs(new)
    pooled = np.concatenate(sides[0]), np.concatenate(sides[1])
    first, second = (float(np.quantile(values, quantile)) for values in pooled)
    relative = relative and first != 0
    plans = [[dependence(run) for run in side] for side in sides]
    effective = [
        sum(run.size / plan.factor for run, plan in zip(side, found, strict=True))
        for side, found in zip(sides, plans, strict=True)
    ]
    told = Difference(
        base=first,
        new=second,
        change=second / first - 1 if relative else second - first,
        low=None,
        high=None,
        n=(pooled[0].size, pooled[1].size),
        effective=(effective[0], effective[1]),
        block=max(plan.length for found in plans for plan in found),
    )
    if min(told.n) > 1 and all(values.min() == values.max() for values in pooled):
        return replace(told, low=told.change, high=told.change)
    if not all(bounds(int(count), quantile, confidence) for count in told.effective):
        return told
    low, high = _interval(sides, plans, quantile, relative, confidence)
    scale = abs(first) if relative else 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    excess, reach = (each / scale for each in _between(sides, plans, quantile, z))
    step = resolution(pooled) / scale
    low = told.change - hypot(max(told.change - low, 0), reach) - step
    return replace(
        told,
        low=max(low, -1.0) if relative and min(first, second) >= 0 else low,
        high=told.change + hypot(max(high - told.change, 0), reach) + step,
        between=excess,
        between_reach=reach,
    )


def _runs(side: Sequence[Values]) -> tuple[Floats, ...]:
    return tuple(np.asarray(run, np.float64) for run in side if len(run))


def _interval(
    sides: tuple[_Runs, _Runs], plans: _Plans, quantile: float, relative: bool, confidence: float
) -> tuple[float, float]:
    """The percentile interval of the bootstrap."""
    streams = np.random.SeedSequence(SEED).spawn(2)
    base, new = (
        block_quantiles(side, quantile, RESAMPLES, np.random.default_rng(stream), plans=found)
        for side, found, stream in zip(sides, plans, streams, strict=True)
    )
    changes = new - base
    if relative:
        # A clock so coarse that resamples of the base have the median 0 leaves the measured one to divide by.
        changes /= base if base.min() > 0 else abs(float(np.quantile(np.concatenate(sides[0]), quantile)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(changes, (tail, 1 - tail))
    return float(low), float(high)


def resolution(sides: Sequence[Floats]) -> float:
    """The clock's step where it is coarse: the least distance of two values, where each occurs ten times on average;
    else 0, for then ties say nothing."""
    values = np.unique(np.concatenate(sides))
    if values.size < 2 or sum(side.size for side in sides) < 10 * values.size:
        return 0.0
    return float(np.diff(values).min())


def _between(sides: tuple[_Runs, _Runs], plans: _Plans, quantile: float, z: float) -> tuple[float, float]:
    """Standard deviation between runs of a side beyond their own noise, and how far it makes the interval reach."""
    freedom = sum(len(side) - 1 for side in sides)
    if not freedom:
        return 0.0, 0.0
    spread = own = 0.0
    for number, (side, found) in enumerate(zip(sides, plans, strict=True)):
        if len(side) > 1:
            middles = np.array([np.quantile(run, quantile) for run in side])
            spread += float(((middles - middles.mean()) ** 2).sum())
            random = np.random.default_rng((SEED, number))
            spreads = [
                block_quantiles([run], quantile, RESAMPLES, random, student=False, plans=[plan]).var()
                for run, plan in zip(side, found, strict=True)
            ]
            own += (len(side) - 1) * float(np.mean(spreads))
    excess = sqrt(max(0.0, spread - own) / freedom)
    return excess, _student(z, freedom) * excess * sqrt(sum(1 / len(side) for side in sides))


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
