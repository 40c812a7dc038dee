"""How long to wait for an answer on a link that loses some: the estimate of RFC 6298. Sans-IO, seconds throughout."""

from __future__ import annotations

from collections.abc import Iterator

FIRST_S = 1.0
LEAST_S = 0.2
"""Below it, a host or device that is busy for a moment would be taken for a lost frame."""
MOST_S = 4.0


class RoundTrip:
    """Feed it the times that answers took to requests sent once; ask it for the next time limit."""

    def __init__(self) -> None:
        self._mean_s = self._deviation_s = 0.0
        self._limit_s = FIRST_S

    def answered(self, seconds: float) -> None:
        """An answer took this long."""
        if not self._mean_s:
            self._mean_s, self._deviation_s = seconds, seconds / 2
        else:
            self._deviation_s += (abs(seconds - self._mean_s) - self._deviation_s) / 4
            self._mean_s += (seconds - self._mean_s) / 8
        self._limit_s = min(self._mean_s + max(LEAST_S, 4 * self._deviation_s), MOST_S)

    def waits(self, total_s: float, extra_s: float = 0.0) -> Iterator[float]:
        """Time limits of one try after the other, each twice the last, `total_s` together.

        `extra_s` is what the bytes take on the way; it is added to each. Doubling is remembered until the next answer.
        """
        while total_s > 0:
            wait_s = min(self._limit_s + extra_s, total_s)
            yield wait_s
            total_s -= wait_s
            self._limit_s = min(2 * self._limit_s, MOST_S)
