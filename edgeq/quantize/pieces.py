"""Messages between this process and the one that runs a model: a count, then each piece with its length."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO

MAX_PIECES = 1 << 16
MAX_BYTES = 1 << 34


class Ended(Exception):
    """The other side closed the pipe, or sent what is no message."""


def write_pieces(file: BinaryIO, pieces: Sequence[bytes]) -> None:
    """Send one message; `Ended` where nobody is there."""
    try:
        file.write(struct.pack("<I", len(pieces)))
        for piece in pieces:
            file.write(struct.pack("<Q", len(piece)))
            file.write(piece)
        file.flush()
    except (BrokenPipeError, ValueError) as error:
        raise Ended from error


def read_pieces(file: BinaryIO) -> list[bytes]:
    """Receive one message."""
    (count,) = struct.unpack("<I", _exactly(file, 4))
    if count > MAX_PIECES:
        raise Ended
    pieces = []
    for _ in range(count):
        (length,) = struct.unpack("<Q", _exactly(file, 8))
        if length > MAX_BYTES:
            raise Ended
        pieces.append(_exactly(file, length))
    return pieces


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise Ended
    return data
