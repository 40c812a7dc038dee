"""The transfer engine: go-back-N on the offset that the device wants next. Sans-IO.

The device answers every chunk with the offset it wants next and ignores any chunk that does not start there, so that
a lost, repeated or late chunk can do no harm. Several chunks are under way at once (`window`). An answer is known by
its sequence number; late and duplicate answers are dropped.
"""

from __future__ import annotations

from collections import OrderedDict


class TransferStalled(Exception):
    """The device's wanted offset did not move in spite of every try."""


class Upload:
    """One blob on its way. The caller sends what `due` says, and reports `sent`, `answered` and `expired`."""

    def __init__(self, size: int, *, offset: int = 0, chunk: int, window: int, tries: int = 8) -> None:
        self.size, self.acked, self._next = size, offset, offset
        self.chunk, self._window, self._tries = chunk, window, tries
        self._failures = 0
        self._under_way: OrderedDict[int, tuple[int, int]] = OrderedDict()

    @property
    def done(self) -> bool:
        """The device wants nothing more."""
        return self.acked >= self.size

    def due(self) -> tuple[int, int] | None:
        """`(offset, length)` of the chunk to send now, or None while the window is full or nothing is left."""
        if len(self._under_way) >= self._window or self._next >= self.size:
            return None
        return self._next, min(self.chunk, self.size - self._next)

    def sent(self, sequence: int, offset: int, length: int) -> None:
        """The chunk left under this sequence number."""
        self._under_way[sequence] = (offset, length)
        self._next = offset + length

    def answered(self, sequence: int, wanted: int) -> None:
        """The answer to the chunk of `sequence`: offset `wanted` comes next. `ValueError` if that is nonsense."""
        chunk = self._under_way.pop(sequence, None)
        if chunk is None:
            return
        if not 0 <= wanted <= self.size:
            raise ValueError(f"the device wants offset {wanted} of {self.size} bytes")
        if wanted == chunk[0] + chunk[1]:
            self._failures = 0
            self.acked = wanted
        else:
            self._go_back(wanted)

    def expired(self) -> None:
        """Nothing came back in time: send again from the last offset that the device wanted, in smaller chunks."""
        self.chunk = max(self.chunk // 2, 128)
        self._go_back(self.acked)

    def _go_back(self, wanted: int) -> None:
        self._failures += 1
        if self._failures > self._tries:
            raise TransferStalled(f"no progress at byte {self.acked} of {self.size} after {self._tries} tries")
        self.acked = self._next = wanted
        self._under_way.clear()
