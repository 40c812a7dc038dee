"""The transfer engine: go-back-N on the offset that the device wants next. Sans-IO.

The device answers every chunk with the offset it wants next and ignores any chunk that does not start there, so that
a lost, repeated or late chunk can do no harm. Several chunks are under way at once (`window`); where a device hears
nothing while it erases, its answers say how far they may go (`room`), and the chunk that goes further is alone. An
answer is known by its sequence number; late and duplicate answers are dropped. Chunks shrink by half when something was
lost and grow slowly while nothing is: about one in ten is lost when they no longer change, whatever the line is like.
"""

from __future__ import annotations

from collections import OrderedDict

LEAST_CHUNK = 64
GROWTH = 16
"""A chunk that arrives lets the next ones grow by this part of themselves."""


class TransferStalled(Exception):
    """The device's wanted offset did not move in spite of every try."""


class Upload:
    """One blob on its way. The caller sends what `due` says, and reports `sent`, `answered` and `expired`.

    `chunk` is the present length of a chunk in bytes, at first the `longest`. `deaf` is for a device that hears nothing
    while it erases: nothing is known of its room before the first answer.
    """

    def __init__(
        self, size: int, *, offset: int = 0, chunk: int, window: int, tries: int = 8, deaf: bool = False
    ) -> None:
        self.size, self.acked, self._next = size, offset, offset
        self.chunk, self.longest, self._window, self._tries = chunk, chunk, window, tries
        self._failures = 0
        self._free = offset if deaf else size
        self._under_way: OrderedDict[int, tuple[int, int]] = OrderedDict()

    @property
    def done(self) -> bool:
        """The device wants nothing more."""
        return self.acked >= self.size

    def due(self) -> tuple[int, int] | None:
        """`(offset, length)` of the chunk to send now, or None while the window is full or nothing is left."""
        if len(self._under_way) >= self._window or self._next >= self.size:
            return None
        if self._next < self._free:
            return self._next, min(self.chunk, self._free - self._next)
        return None if self._under_way else (self._next, min(self.chunk, self.size - self._next))

    @property
    def alone(self) -> bool:
        """Whether the chunk under way may make the device erase, which takes longer and is no measure of the line."""
        return self._next > self._free

    def sent(self, sequence: int, offset: int, length: int) -> None:
        """The chunk left under this sequence number."""
        self._under_way[sequence] = (offset, length)
        self._next = offset + length

    def awaits(self, sequence: int) -> bool:
        """Whether an answer with this sequence number is still of interest."""
        return sequence in self._under_way

    def answered(self, sequence: int, wanted: int, room: int | None = None) -> None:
        """The answer to the chunk of `sequence`: offset `wanted` comes next. `ValueError` if that is nonsense.

        `room` bytes from there on need no erase; None means that none keeps the device deaf.
        """
        if sequence not in self._under_way:
            return
        if not 0 <= wanted <= self.size:
            raise ValueError(f"the device wants offset {wanted} of {self.size} bytes")
        self._free = self.size if room is None else min(wanted + max(room, 0), self.size)
        offset, length = self._forget_through(sequence)
        if wanted == offset + length:
            self._failures = 0
            self.acked = wanted
            self.chunk = min(self.chunk + self.chunk // GROWTH + 1, self.longest)
        else:
            self._failures = 0 if wanted > self.acked else self._failures + 1
            if self._failures > self._tries:
                raise TransferStalled(f"no progress at byte {self.acked} of {self.size} after {self._tries} tries")
            self._go_back(wanted)

    def expired(self) -> None:
        """Nothing came back in time: send again from the last offset that the device wanted, in smaller chunks."""
        self._go_back(self.acked)

    def restart(self) -> None:
        """The line has become another one: go on with the longest chunks."""
        self._go_back(self.acked)
        self.chunk = self.longest

    def _forget_through(self, sequence: int) -> tuple[int, int]:
        """Forget the chunk and those sent before it: a line keeps the order, so their answers are lost."""
        while True:
            number, chunk = self._under_way.popitem(last=False)
            if number == sequence:
                return chunk

    def _go_back(self, wanted: int) -> None:
        self.chunk = max(self.chunk // 2, min(LEAST_CHUNK, self.longest))
        self.acked = self._next = wanted
        self._under_way.clear()
