"""Statistics of benches and evaluations: percentiles, intervals, outliers, and paired differences.

Everything is deterministic: where resampling is used, the seed is an argument. Values are plain numbers of any unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, comb, log
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError

Floats = NDArray[np.float64]
Values = Sequence[float] | NDArray[Any]

_CELLS = 1 << 20
"""Resampled indices that are held at once: 8 MiB, whatever the number of samples."""
_MAD_TO_SIGMA = 0.6745
"""The 75th percentile of the standard normal distribution: MAD / 0.6745 estimates sigma."""
_MEAN_AD_TO_SIGMA = 0.797885
"""sqrt(2 / pi): mean absolute deviation / 0.797885 estimates sigma."""


@dataclass(frozen=True)
class Summary:
    """One series in figures, in the series' own unit. `std` is the sample's (n - 1; 0 where n is 1);
    percentiles interpolate linearly (Hyndman and Fan type 7); `mad` is the median absolute deviation, unscaled."""

    n: int
    mean: float
    std: float
    min: float
    max: float
    p50: float
    p90: float
    p95: float
    p99: float
    mad: float


def to_floats(values: Values, what: str = "values") -> Floats:
    """`values` as an array; `UsageError` where there are none, or some are not finite."""
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not array.size:
        raise UsageError(f"There are no {what} to make statistics of.", "Give at least one value, as a flat list.")
    if not np.isfinite(array).all():
        raise UsageError(f"The {what} hold NaN or infinity, so no statistics are possible.", "Clean the data first.")
    return array


def check_fraction(value: float, name: str) -> None:
    """`UsageError` where `value` does not lie between 0 and 1."""
    if not 0 < value < 1:
        raise UsageError(f"The {name} must lie between 0 and 1; it is {value:g}.", f"Give a {name} such as 0.95.")


def summarize(values: Values) -> Summary:
    """`values` (at least one, finite) in figures."""
    array = to_floats(values)
    p50, p90, p95, p99 = np.percentile(array, (50, 90, 95, 99), method="linear")
    # A mean of equal values may differ from them in the last bit; it never leaves their range here.
    mean = float(np.clip(array.mean(), array.min(), array.max()))
    return Summary(
        n=array.size,
        mean=mean,
        std=float(array.std(ddof=1)) if array.size > 1 else 0.0,
        min=float(array.min()),
        max=float(array.max()),
        p50=float(p50),
        p90=float(p90),
        p95=float(p95),
        p99=float(p99),
        mad=float(np.median(np.abs(array - p50))),
    )


def interval(values: Values, quantile: float = 0.5, confidence: float = 0.95) -> tuple[float, float]:
    """A confidence interval of a quantile, from order statistics (binomial, free of any distribution).

    The interval runs between two of the sorted values and holds the true quantile with at least `confidence`.
    Where there are too few values for that (see `bounds`), an end is the least or the greatest value, and the interval
    is too narrow.
    """
    check_fraction(quantile, "quantile")
    check_fraction(confidence, "confidence")
    array = np.sort(to_floats(values))
    below = _binomial_cdf(array.size, quantile)
    tail = (1 - confidence) / 2
    # X values lie below the true quantile. Zero-based ranks: the low end is the last with P(X <= low) <= tail, the
    # high end the first with P(X <= high) >= 1 - tail.
    low = int(np.searchsorted(below, tail, side="right")) - 1
    high = int(np.searchsorted(below, 1 - tail, side="left"))
    return float(array[max(low, 0)]), float(array[min(high, array.size - 1)])


def wilson(share: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share of `count` independent samples (Wilson, 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def bounds(n: int, quantile: float, confidence: float = 0.95) -> bool:
    """Whether `n` values bound a quantile on both sides; 95 % takes 6 for p50, 36 for p90, 72 for p95, 368 for p99."""
    return max(quantile, 1 - quantile) ** n <= (1 - confidence) / 2 + 1e-12


def _binomial_cdf(n: int, p: float) -> Floats:
    """P(X <= k) for k = 0..n of a binomial distribution, computed through logarithms so that no n overflows."""
    if n <= 60:
        pmf = np.array([comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
    else:
        factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
        logs = factorials[n] - factorials - factorials[::-1]
        k = np.arange(n + 1)
        pmf = np.exp(logs + k * log(p) + (n - k) * log(1 - p))
    below: Floats = np.minimum(np.cumsum(pmf), 1.0)
    return below


def outliers(values: Values, limit: float = 3.5) -> tuple[int, ...]:
    """Indices of values whose modified z-score exceeds `limit` (Iglewicz and Hoaglin, 1993).

    The score is 0.6745 (x - median) / MAD. Where more than half of the values are equal the MAD is 0; the mean
    absolute deviation (times 1.2533) then takes its place, and where that is 0 too nothing is an outlier.
    """
    array = to_floats(values)
    away = np.abs(array - np.median(array))
    sigma = float(np.median(away)) / _MAD_TO_SIGMA or float(away.mean()) / _MEAN_AD_TO_SIGMA
    if sigma == 0:
        return ()
    return tuple(int(index) for index in np.flatnonzero(away / sigma > limit))


def paired_difference(
    a: Values, b: Values, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of `a - b` with its interval (mean, low, high), from a paired percentile bootstrap.

    `a[i]` and `b[i]` belong to the same sample, for example 1 or 0 for right or wrong by two models. Pairs are
    resampled together, so what both find hard cancels out. Memory stays bounded whatever the sizes.
    """
    first, second = to_floats(a, "values of the first side"), to_floats(b, "values of the second side")
    if first.size != second.size:
        raise UsageError(
            f"A paired difference needs as many values on both sides; there are {first.size} and {second.size}.",
            "Evaluate both on the same samples, in the same order.",
        )
    check_fraction(confidence, "confidence")
    if resamples < 1:
        raise UsageError(f"The number of resamples must be at least 1; it is {resamples}.", "Leave it at 10000.")
    difference = first - second
    tail = (1 - confidence) / 2
    low, high = np.quantile(_resampled_means(difference, resamples, seed), (tail, 1 - tail), method="linear")
    return float(difference.mean()), float(low), float(high)


def _resampled_means(difference: Floats, resamples: int, seed: int) -> Floats:
    """Means of `resamples` draws with replacement. Few distinct values (binary vectors give three) are drawn as
    counts, one multinomial draw per resample, which has the same distribution and costs almost nothing."""
    random = np.random.default_rng(seed)
    distinct, counts = np.unique(difference, return_counts=True)
    if distinct.size <= 16:
        drawn = random.multinomial(difference.size, counts / difference.size, size=resamples)
        return np.asarray(drawn @ distinct / difference.size, np.float64)
    means = np.empty(resamples)
    rows = max(1, _CELLS // difference.size)
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        picks = random.integers(0, difference.size, size=(stop - start, difference.size))
        means[start:stop] = difference[picks].mean(axis=1)
    return means


def histogram_bins(values: Values, most: int = 40) -> int:
    """A number of equal bins that shows the shape: Freedman and Diaconis (1981), at least 1, at most `most`."""
    array = to_floats(values)
    spread = float(np.subtract(*np.percentile(array, (75, 25))))
    extent = float(array.max() - array.min())
    if not extent:
        return 1
    if not spread:
        return min(most, array.size)
    return int(min(most, max(1, ceil(extent * array.size ** (1 / 3) / (2 * spread)))))
