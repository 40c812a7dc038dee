"""A histogram of values whose range is not known before: bins of equal width that pair up as the range grows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 4096


class Histogram:
    """`counts` of `BINS` bins over [-limit, limit); `limit` is a power of two and only grows, so that the same values
    give the same counts in any order."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.limit = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Count finite values of any shape."""
        flat = np.asarray(values, np.float32).ravel()
        largest = float(np.abs(flat).max()) if flat.size else 0.0
        if largest > 0:
            self._reach(float(np.exp2(np.floor(np.log2(largest)) + 1)))
        if self.limit == 0:
            self.counts[BINS // 2] += flat.size
            return
        places = ((flat / np.float32(self.limit) + 1) * (BINS // 2)).astype(np.int64)
        self.counts += np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)

    @property
    def width(self) -> float:
        """Of one bin."""
        return 2 * self.limit / BINS

    def edges(self) -> NDArray[np.float64]:
        """The `BINS` + 1 edges."""
        return np.linspace(-self.limit, self.limit, BINS + 1)

    def _reach(self, limit: float) -> None:
        if self.limit == 0:
            self.limit = limit
        while self.limit < limit:
            paired = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.zeros(BINS, np.int64)
            self.counts[BINS // 4 : -BINS // 4] = paired
            self.limit *= 2
