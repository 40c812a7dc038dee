"""Overlapping windows over a stream: the steps `frame` (over samples) and `stack` (over feature vectors)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Windows:
    """Row t of [time, length * values] holds entries t * step to t * step + length - 1, oldest first.

    Entries that fill no window are left out. Called as `windows(chunk, last)`; the type of the entries is kept."""

    def __init__(self, length: int, step: int) -> None:
        self._length, self._step = length, step
        self._kept: Any = None
        # With a step longer than a window, the entries between two windows have yet to arrive and be left out.
        self._skip = 0

    def __call__(self, chunk: Array, _last: bool) -> Array:
        import numpy as np

        kept = chunk if self._kept is None else np.concatenate([self._kept, chunk])
        skipped = min(self._skip, len(kept))
        kept, self._skip = kept[skipped:], self._skip - skipped
        starts = np.arange(0, max(0, len(kept) - self._length + 1) if not self._skip else 0, self._step)
        done = len(starts) * self._step
        found: Array = kept[starts[:, None] + np.arange(self._length)]
        self._skip += max(0, done - len(kept))
        self._kept = kept[done:]
        return found.reshape(len(starts), self._length * (kept.shape[1] if kept.ndim == 2 else 1))
