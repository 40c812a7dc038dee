"""Costs that are no less than nothing and fit in proportion: robust least squares in the logarithm of the error."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Values = Sequence[float] | Floats
Rows = Sequence[Sequence[float]] | Floats

HUBER = 1.345
"""In standard deviations: 95 % as good as least squares on normal errors (Huber 1964)."""
LEAST_SPREAD = 0.02
"""Errors below it are not told apart."""
LEAST_GAIN = 1e-6
"""Of the loss, for which another round is made."""
_ROUNDS, _HALVES = 40, 6


def fit(work: Rows, took: Values, floor: Values) -> Floats:
    """Costs c >= 0, one for each column of `work`, such that work @ c is near `took`; a factor counts alike in both
    directions. `floor` is what makes no difference: it is added to both sides, so that nothing may have taken nothing.
    """
    matrix, taken, least = np.asarray(work, float), np.asarray(took, float), np.asarray(floor, float)
    scale = matrix.max(axis=0)
    scale[scale == 0] = 1
    matrix = matrix / scale
    target = taken + least
    found = _not_negative(matrix / target[:, None], taken / target)
    for _ in range(_ROUNDS):
        told = matrix @ found + least
        error = np.log(told / target)
        limit = HUBER * max(1.4826 * float(np.median(np.abs(error))), LEAST_SPREAD)
        weight = np.sqrt(np.minimum(1, limit / np.maximum(np.abs(error), 1e-12)))
        slope = matrix / told[:, None]
        wanted = _not_negative(slope * weight[:, None], (slope @ found - error) * weight)
        better = _towards(matrix, least, target, found, wanted, limit)
        if better is None:
            break
        found = better
    return np.asarray(found / scale)


def _towards(matrix: Floats, least: Floats, target: Floats, start: Floats, end: Floats, limit: float) -> Floats | None:
    """The farthest of some points between two that is better than the first; None where none is."""
    loss = _loss(np.log((matrix @ start + least) / target), limit)
    for half in range(_HALVES):
        point: Floats = start + (end - start) / 2**half
        if _loss(np.log((matrix @ point + least) / target), limit) < loss * (1 - LEAST_GAIN):
            return point
    return None


def _loss(error: Floats, limit: float) -> float:
    far = np.abs(error)
    return float(np.where(far <= limit, far**2 / 2, limit * (far - limit / 2)).sum())


def _not_negative(matrix: Floats, wanted: Floats) -> Floats:
    """Least squares without negative values, exactly: with so few columns every set of them can be tried."""
    count = matrix.shape[1]
    best, least = np.zeros(count), float(wanted @ wanted)
    for size in range(1, count + 1):
        for chosen in combinations(range(count), size):
            part: Any = matrix[:, chosen]
            values = np.linalg.lstsq(part, wanted, rcond=None)[0]
            if (values < 0).any():
                continue
            rest = part @ values - wanted
            if float(rest @ rest) < least * (1 - 1e-9):
                best, least = np.zeros(count), float(rest @ rest)
                best[list(chosen)] = values
    return best
