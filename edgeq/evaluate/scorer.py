"""One number from many samples, also where each sample counts several times: what a bootstrap needs of a metric.

A scorer holds what one model did on n samples. `under(weights)` takes how often each sample counts, (n, r), and gives
(r,) numbers: with a column of ones the metric itself, with columns of drawn counts its bootstrap. A number is NaN where
the metric is not defined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.float32]
Places = NDArray[np.int64]
Finish = Callable[[Floats], Floats]


class Scorer(Protocol):
    """`width`: how many passes over the samples one number takes, roughly; resampling is budgeted by it."""

    @property
    def count(self) -> int: ...
    @property
    def width(self) -> float: ...
    def under(self, weights: Counts) -> Floats: ...


@dataclass(frozen=True)
class Mean:
    """The mean of one number for each sample."""

    values: Floats
    width: float = 1

    @property
    def count(self) -> int:
        return len(self.values)

    def under(self, weights: Counts) -> Floats:
        return np.asarray(self.values @ weights / weights.sum(axis=0), np.float64)


@dataclass(frozen=True)
class Sums:
    """A function of sums: `parts` (n, k) are added up, and `finish` makes (r,) numbers of sums (r, k)."""

    parts: Floats
    finish: Finish

    @property
    def count(self) -> int:
        return len(self.parts)

    @property
    def width(self) -> float:
        return 1 + int(self.parts.shape[1]) / 10

    def under(self, weights: Counts) -> Floats:
        return self.finish(np.asarray(weights.T.astype(np.float64) @ self.parts, np.float64))


@dataclass(frozen=True)
class Tallies:
    """The same where parts are 0 or 1: `members` are the places of the samples that count in each of k columns."""

    members: Sequence[Places]
    finish: Finish
    count: int

    @property
    def width(self) -> float:
        return 1 + sum(map(len, self.members)) / max(1, self.count)

    def under(self, weights: Counts) -> Floats:
        return self.finish(np.stack([weights[places].sum(axis=0, dtype=np.float64) for places in self.members], 1))


@dataclass(frozen=True)
class Ranked:
    """The area under the ROC curve, a mean over columns: `scores` (n, c), higher for those that are `positive` (n, c).

    It is the chance that a positive sample has a higher score than a negative one, ties counting half.
    """

    scores: Floats
    positive: NDArray[np.bool_]

    @property
    def count(self) -> int:
        return len(self.scores)

    @property
    def width(self) -> float:
        return 4.0 * int(self.scores.shape[1])

    @cached_property
    def _runs(self) -> list[list[tuple[Places, Places]]]:
        """For each column the samples by their scores, lowest first: places of negative and of positive ones. Both are
        in one run only where their scores are equal."""
        return [_runs(one, true) for one, true in zip(self.scores.T, self.positive.T, strict=True)]

    def under(self, weights: Counts) -> Floats:
        columns = [_area(weights, runs) for runs in self._runs]
        return np.asarray(known_mean(np.stack(columns, axis=1)), np.float64)


def _runs(scores: Floats, positive: NDArray[np.bool_]) -> list[tuple[Places, Places]]:
    order = np.argsort(scores, kind="stable")
    true = positive[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(scores[order])) + 1])
    # Of a group of equal scores: 0 where all are negative, 1 where all are positive, 2 where both are.
    some, every = np.logical_or.reduceat(true, starts), np.logical_and.reduceat(true, starts)
    kind = np.where(every, 1, np.where(some, 2, 0))
    ends = starts[1:][(np.diff(kind) != 0) | (kind[1:] == 2)]
    return [(group[~positive[group]], group[positive[group]]) for group in np.split(order, ends)]


def _area(weights: Counts, runs: Sequence[tuple[Places, Places]]) -> Floats:
    pairs, below, above = (np.zeros(weights.shape[1]) for _ in range(3))
    for negative, positive in runs:
        if len(positive):
            here = _total(weights, positive)
            above += here
            if not len(negative):
                pairs += here * below
                continue
            equal = _total(weights, negative)
            pairs += here * (below + equal / 2)
            below += equal
        else:
            below += _total(weights, negative)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(pairs / (above * below), np.float64)


def _total(weights: Counts, places: Places) -> Counts:
    found: Counts = weights[places[0]] if len(places) == 1 else weights[places].sum(axis=0)
    return found


def known_mean(columns: Floats) -> Floats:
    """Means of (r, k) over what is not NaN."""
    known = ~np.isnan(columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, columns, 0).sum(axis=1) / known.sum(axis=1), np.float64)


@dataclass(frozen=True)
class Called:
    """A function of the user's over all samples; it is called once for each column."""

    outputs: NDArray[Any]
    labels: NDArray[Any]
    function: Callable[[NDArray[Any], NDArray[Any]], float]
    width: float = 20

    @property
    def count(self) -> int:
        return len(self.outputs)

    def under(self, weights: Counts) -> Floats:
        rows = (np.repeat(np.arange(self.count), column.astype(np.int64)) for column in weights.T)
        return np.array([self.function(self.outputs[row], self.labels[row]) for row in rows], np.float64)


def value(scorer: Scorer) -> float:
    """The metric itself."""
    return float(scorer.under(np.ones((scorer.count, 1), np.float32))[0])
