"""Whether an input's values are whole steps already: pixels are, and features that were 8-bit integers before.

A range that keeps those steps quantizes such an input without any error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEWEST, _MOST = 32, 256
"""Distinct values: with fewer, others may come that lie between them."""
_TOLERANCE = 0.01
"""How far a value may lie from a whole step, in steps."""


class Steps:
    """The distinct values so far, until there are more than 256."""

    def __init__(self) -> None:
        self._values: NDArray[np.float64] | None = np.zeros(1)

    def add(self, values: NDArray[Any]) -> None:
        """Look at finite values of any shape."""
        if self._values is not None:
            merged = np.union1d(self._values, np.unique(np.asarray(values, np.float64)))
            self._values = merged if len(merged) <= _MOST else None

    def size(self) -> float:
        """The step whose multiples all values are, with 0 among them and at most 255 steps apart; 0 where there is
        none."""
        if self._values is None or len(self._values) < _FEWEST:
            return 0.0
        rough = float(np.diff(self._values).min())
        places = np.rint(self._values / rough)
        if places.max() - places.min() >= _MOST:
            return 0.0
        # One value's rounding must not decide: the step that fits all of them best.
        step = float((self._values * places).sum() / np.square(places).sum())
        return step if np.abs(self._values / step - places).max() <= _TOLERANCE else 0.0
