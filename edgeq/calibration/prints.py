"""A small picture of a sample, to compare many of them by, and how alike two are."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.calibration.evidence import Floats

_LONG, _SIDE = 256, 16
ALIKE = 0.01
"""Samples are copies where 1 - correlation is below this, and below a quarter of what only one in twenty samples has
to its nearest other one."""
LEAST_LENGTH = 4
"""Along a shorter axis there are no neighbours to speak of."""
_LEAST = 8
"""Of so many samples it is known how much they differ by themselves."""


def fingerprint(values: NDArray[Any]) -> Floats:
    """Means over a coarse grid. Sound has a mean of 0: of a long axis also the RMS of each part, and the means after
    random signs, since two tones that fade alike are no copies."""
    x = np.asarray(values, np.float64)
    if x.ndim > 1:
        for axis in range(x.ndim):
            x = _pool(x, axis, _SIDE)
        return x.ravel().astype(np.float32)
    flat = x.ravel()
    if flat.size <= _LONG:
        return flat.astype(np.float32)
    means, squares = _pool(flat, 0, _LONG), _pool(np.square(flat), 0, _LONG)
    return np.concatenate([means, np.sqrt(squares), _pool(flat * _signs(flat.size), 0, _LONG)]).astype(np.float32)


@lru_cache(maxsize=4)
def _signs(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).choice((-1.0, 1.0), count)


def smoothness(values: NDArray[Any]) -> float:
    """The largest correlation of neighbours along an axis of one sample; NaN where it has one short axis only."""
    x = np.squeeze(np.asarray(values, np.float64))
    axes = [axis for axis in range(x.ndim) if x.shape[axis] >= (LEAST_LENGTH if x.ndim > 1 else _LONG)]
    if not axes:
        return float("nan")
    return max(
        correlation(np.take(x, range(x.shape[axis] - 1), axis), np.take(x, range(1, x.shape[axis]), axis))
        for axis in axes
    )


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Its magnitude; 1 where one of the two never changes."""
    one, other = one - one.mean(), other - other.mean()
    scale = math.sqrt(float(np.square(one).sum() * np.square(other).sum()))
    return abs(float((one * other).sum())) / scale if scale > 0 else 1.0


def _pool(x: NDArray[np.float64], axis: int, parts: int) -> NDArray[np.float64]:
    length = x.shape[axis]
    if length <= parts:
        return x
    edges = np.linspace(0, length, parts + 1).astype(int)
    widths = np.diff(edges).reshape([-1 if place == axis else 1 for place in range(x.ndim)])
    pooled: NDArray[np.float64] = np.add.reduceat(x, edges[:-1], axis=axis) / widths
    return pooled


def distances(rows: Floats, others: Floats, reference: Floats) -> Floats:
    """1 - correlation of each of `rows` with each of `others`, after what all of `reference` have in common is taken
    away; 2 where a row is like the mean, which correlates with nothing."""
    centre, spread = reference.mean(axis=0), reference.std(axis=0)
    spread = spread + 0.1 * spread.mean() + 1e-12
    unit_rows, plain_rows = _unit((rows - centre) / spread)
    unit_others, plain_others = _unit((others - centre) / spread)
    found = 1 - unit_rows @ unit_others.T
    found[plain_rows] = 2
    found[:, plain_others] = 2
    return found


def _unit(rows: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    lengths = np.linalg.norm(rows, axis=1)
    return rows / np.maximum(lengths, 1e-9)[:, None], lengths < 1e-6


def limit(prints: Floats) -> float:
    """Below which distance two samples of this set are copies of one; 0 where it is too small to say."""
    if len(prints) < _LEAST:
        return 0.0
    own = distances(prints, prints, prints)
    np.fill_diagonal(own, 2)
    nearest = own.min(axis=1)
    apart = nearest[nearest > ALIKE]
    return min(ALIKE, 0.25 * float(np.quantile(apart, 0.05))) if len(apart) >= _LEAST // 2 else ALIKE
