"""What a device has answered so far, in a file beside the run: the same command goes on from there.

The first line is the key, then come the raw outputs of one sample after the other, each with its CRC-32. A row is
written at its own place, so two commands that do the same at once do no harm.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint8]
_CRC_BYTES = 4


class Partial:
    """The file for what `facts` describe, in `folder`; where it cannot be written, nothing is kept."""

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self.path = folder / f".accuracy-{key[:12]}.part"  # hidden: no shell takes it for one of "runs/*"
        self._head, self._writes = key.encode() + b"\n", True

    @property
    def kept(self) -> bool:
        """Whether there is a file to go on from."""
        return self._writes and self.path.exists()

    def load(self, rows: Rows) -> int:
        """Fill `rows` (n, bytes) with what is there, up to the first that is damaged; the answer is their count."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return 0
        if not data.startswith(self._head):
            self.remove()
            return 0
        size = rows.shape[1]
        for place in range(len(rows)):
            at = len(self._head) + place * (size + _CRC_BYTES)
            row, crc = data[at : at + size], data[at + size : at + size + _CRC_BYTES]
            if crc != _crc(row):
                return place
            rows[place] = np.frombuffer(row, np.uint8)
        return len(rows)

    def keep(self, rows: Rows, start: int, stop: int) -> None:
        """Write the rows from `start` to `stop`."""
        if not self._writes:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("xb" if start == 0 and not self.path.exists() else "r+b") as file:
                file.write(self._head)
                file.seek(start * (rows.shape[1] + _CRC_BYTES), 1)
                file.write(b"".join(row + _crc(row) for row in (each.tobytes() for each in rows[start:stop])))
        except OSError:
            self._writes = False

    def remove(self) -> None:
        """Nobody goes on from there."""
        self.path.unlink(missing_ok=True)


class Partials:
    """The files of one command, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, list[Partial]()

    def file(self, samples: Sequence[Any], facts: Mapping[str, Any]) -> Partial:
        """The one for these samples and facts."""
        found = Partial(self._folder, {"samples": list(samples), **facts})
        self._files.append(found)
        return found

    def remove(self) -> None:
        """All is through, and in a run."""
        for each in self._files:
            each.remove()


def _crc(row: bytes) -> bytes:
    return zlib.crc32(row).to_bytes(_CRC_BYTES, "little")
