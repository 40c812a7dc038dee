"""Intervals from a paired bootstrap: the same samples are drawn for every scorer, so what all find hard cancels out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, factorial

import numpy as np
from numpy.typing import NDArray

from edgeq.evaluate.scorer import Counts, Floats, Mean, Scorer, value
from edgeq.stats import paired_difference

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 0
LARGE = 1000
"""From so many samples on each counts as often as a Poisson variable of mean 1 says, which is what drawing with
replacement comes to, and several times faster (Chamandy and others, 2012, "Estimating uncertainty for massive data
streams")."""
_FEWEST = 200
_WORK = 1e9
"""Samples times resamples times width that are spent on one interval of a metric that is not a mean of numbers."""
_CELLS = 1 << 23
"""Counts that are held at once: 32 MiB."""


@dataclass(frozen=True)
class Interval:
    """A number with its interval; NaN where nothing defines it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """What is known about a combination of scorers: its value, and intervals of any confidence."""

    value: float
    interval: Callable[[float], tuple[float, float]]

    def at(self, confidence: float = CONFIDENCE) -> Interval:
        return Interval(self.value, *self.interval(confidence))


def paired(scorers: Sequence[Scorer], signs: Sequence[float], seed: int = SEED) -> Paired:
    """The sum of `signs` times the numbers of `scorers`, which have seen the same samples."""
    means = [scorer.values for scorer in scorers if isinstance(scorer, Mean)]
    if len(means) == len(scorers):
        return _of_means(np.asarray(signs, np.float64) @ np.stack(means), seed)
    total = sum(sign * value(scorer) for sign, scorer in zip(signs, scorers, strict=True))
    found = draws(scorers, signs, resamples(scorers), seed)
    found = found[~np.isnan(found)]

    def interval(confidence: float) -> tuple[float, float]:
        tail = (1 - confidence) / 2
        low, high = np.quantile(found, (tail, 1 - tail)) if len(found) else (np.nan, np.nan)
        return float(low), float(high)

    return Paired(float(total), interval)


def _of_means(differences: Floats, seed: int) -> Paired:
    """Of one number for each sample there are shortcuts."""
    zeros = np.zeros(len(differences))

    def interval(confidence: float) -> tuple[float, float]:
        _, low, high = paired_difference(differences, zeros, confidence=confidence, resamples=RESAMPLES, seed=seed)
        return low, high

    return Paired(float(differences.mean()), interval)


def resamples(scorers: Sequence[Scorer]) -> int:
    """How many are drawn: fewer of large sets, where a metric is costly."""
    if all(isinstance(scorer, Mean) for scorer in scorers):
        return RESAMPLES
    work = max(scorer.count * scorer.width for scorer in scorers)
    return int(min(RESAMPLES, max(_FEWEST, _WORK // work)))


def draws(scorers: Sequence[Scorer], signs: Sequence[float], count: int, seed: int) -> Floats:
    """`count` resampled values."""
    random, size = np.random.default_rng(seed), scorers[0].count
    found = np.zeros(count)
    columns = max(1, _CELLS // size)
    for start in range(0, count, columns):
        many = min(columns, count - start)
        weights = _poisson(random, size, many) if size >= LARGE else _drawn(random, size, many)
        for sign, scorer in zip(signs, scorers, strict=True):
            found[start : start + many] += sign * scorer.under(weights)
    return found


def _drawn(random: np.random.Generator, size: int, many: int) -> Counts:
    """How often each of `size` samples is drawn, `many` times."""
    picks = random.integers(0, size, size=(many, size))
    picks += np.arange(many)[:, None] * size
    counts = np.bincount(picks.ravel(), minlength=many * size).reshape(many, size)
    return np.ascontiguousarray(counts.T, np.float32)


def _poisson(random: np.random.Generator, size: int, many: int) -> Counts:
    return _quantiles().take(random.integers(0, 1 << 16, size=(size, many), dtype=np.uint16))


@cache
def _quantiles() -> NDArray[np.float32]:
    """Of a Poisson variable of mean 1, at 65,536 even steps."""
    below = np.cumsum([exp(-1) / factorial(k) for k in range(16)])
    return np.searchsorted(below, (np.arange(1 << 16) + 0.5) / (1 << 16)).astype(np.float32)


def method(scorers: Sequence[Scorer], seed: int = SEED) -> str:
    """How intervals come about, for documents."""
    poisson = scorers[0].count >= LARGE and not all(isinstance(scorer, Mean) for scorer in scorers)
    return f"paired bootstrap, {resamples(scorers)} resamples{' by Poisson weights' * poisson}, seed {seed}"
