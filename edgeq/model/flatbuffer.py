"""Reads FlatBuffers from an untrusted file: every offset, size and count is checked before it is followed.

Layout: tables begin with a signed offset back to their vtable, which holds for each field its offset in the table
(0: absent); vectors begin with a 32-bit count; references are unsigned offsets forward. Source: the FlatBuffers
internals document.
A budget bounds the work, so that a file whose references overlap cannot make a reader run for ever.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ArtifactError

_FORMATS = {"B": 1, "b": 1, "?": 1, "H": 2, "I": 4, "i": 4, "f": 4, "q": 8, "Q": 8}


class FlatBuffer:
    """One file in memory; positions are absolute offsets in bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._budget = 4 * len(data) + 65_536

    def spend(self, size: int) -> None:
        """Charge `size` bytes to the budget; `ArtifactError` where it is used up."""
        self._budget -= size
        if self._budget < 0:
            raise damaged("its parts overlap")

    def number(self, position: int, code: str) -> int:
        """The integer at `position`, little-endian, as `struct` code `code`."""
        if not 0 <= position <= len(self.data) - _FORMATS[code]:
            raise damaged(f"offset {position} lies outside the file")
        return int(struct.unpack_from("<" + code, self.data, position)[0])

    def root(self) -> Table:
        """The table that the file begins with."""
        return Table(self, self.number(0, "I"))


class Table:
    """One table; a field is named by its number in the schema. An absent field reads as its default."""

    def __init__(self, buffer: FlatBuffer, position: int) -> None:
        self.buffer, self.position = buffer, position
        self._vtable = position - buffer.number(position, "i")
        self._vtable_size = buffer.number(self._vtable, "H")
        self._size = buffer.number(self._vtable + 2, "H")
        whole = self._vtable_size >= 4 and self._vtable_size % 2 == 0 and self._size >= 4
        if not whole or self._vtable + self._vtable_size > len(buffer.data) or position + self._size > len(buffer.data):
            raise damaged(f"the table at offset {position} is broken")
        buffer.spend(self._size)

    def integer(self, field: int, code: str, default: int = 0) -> int:
        """A scalar field as an integer."""
        place = self._place(field, _FORMATS[code])
        return default if place is None else self.buffer.number(place, code)

    def table(self, field: int) -> Table | None:
        """A field that refers to a table."""
        target = self.reference(field)
        return None if target is None else Table(self.buffer, target)

    def tables(self, field: int) -> Iterator[Table]:
        """A field that refers to a vector of tables."""
        start, count = self.vector(field, 4)
        for place in range(start, start + 4 * count, 4):
            yield Table(self.buffer, place + self.buffer.number(place, "I"))

    def text(self, field: int) -> str:
        """A field that refers to a string; bytes that are not UTF-8 are replaced."""
        start, count = self.vector(field, 1)
        return self.buffer.data[start : start + count].decode("utf-8", "replace")

    def numbers(self, field: int, dtype: str) -> NDArray[np.generic]:
        """A field that refers to a vector of scalars of this numpy dtype."""
        item = np.dtype(dtype).newbyteorder("<")
        start, count = self.vector(field, item.itemsize)
        return np.frombuffer(self.buffer.data, item, count, start) if count else np.empty(0, item)

    def vector(self, field: int, item_size: int) -> tuple[int, int]:
        """(offset of the first item, count) of a vector; (0, 0) where the field is absent."""
        target = self.reference(field)
        if target is None:
            return 0, 0
        count = self.buffer.number(target, "I")
        if target + 4 + count * item_size > len(self.buffer.data):
            raise damaged(f"the vector at offset {target} runs past the end of the file")
        self.buffer.spend(4 + count * item_size)
        return target + 4, count

    def reference(self, field: int) -> int | None:
        """Where a field refers to, unchecked; None where it is absent."""
        place = self._place(field, 4)
        return None if place is None else place + self.buffer.number(place, "I")

    def _place(self, field: int, size: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._vtable_size:
            return None
        offset = self.buffer.number(self._vtable + slot, "H")
        if offset == 0:
            return None
        if offset < 4 or offset + size > self._size:
            raise damaged(f"a field of the table at offset {self.position} lies outside of it")
        return self.position + offset


def damaged(why: str) -> ArtifactError:
    """The error for a file that breaks the rules."""
    return ArtifactError(f"The .tflite file is damaged: {why}.", "Build it again, or fetch it again.")
