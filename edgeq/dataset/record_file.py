"""The framing of a tfrecord file: records with their lengths and checksums. `what` names a record in errors."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from edgeq.dataset.crc32c import masked
from edgeq.dataset.options import Progress, Ticker
from edgeq.errors import UsageError

MOST_RECORD_BYTES = 256 << 20


def records(path: Path, first: int, progress: Progress, values: bool) -> Iterator[tuple[int, bytes]]:
    """(offset, its bytes, nothing unless `values`) of each record; their checksum is left to `record`."""
    try:
        size, place = path.stat().st_size, 0
        ticker = Ticker(progress, f"reading '{path}'", size)
        with path.open("rb", buffering=1 << 20) as file:
            number = first
            while place < size:
                what = f"sample {number} of '{path}'"
                length = _length(file.read(12), what)
                end = place + 12 + length + 4
                if end > size:
                    raise _cut_short(what)
                yield place, file.read(length) if values else b""
                file.seek(end)
                ticker.tell(end)
                place, number = end, number + 1
    except OSError as error:
        raise _unreadable(path, error) from error


def record(path: Path, place: int, what: str) -> bytes:
    """The bytes of the record at this offset, checked against its checksum."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            length = _length(file.read(12), what)
            data, end = file.read(length), file.read(4)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(end) != 4:
        raise _cut_short(what)
    if struct.unpack("<I", end)[0] != masked(data):
        raise UsageError(f"{upper(what)} is damaged: its checksum is not that of its bytes.", "Write the file again.")
    return data


def _length(head: bytes, what: str) -> int:
    if len(head) != 12:
        raise _cut_short(what)
    if struct.unpack_from("<I", head, 8)[0] != masked(head[:8]):
        if head[:2] == b"\x1f\x8b" or head[:1] == b"\x78":
            raise UsageError(f"The file of {what} is compressed.", "Decompress it first, with gunzip.")
        raise UsageError(f"{upper(what)} does not begin as a record of a tfrecord file does.", "Write the file again.")
    length = int(struct.unpack_from("<Q", head)[0])
    if length > MOST_RECORD_BYTES:
        raise UsageError(f"{upper(what)} has {length:,} bytes.", f"A record may have {MOST_RECORD_BYTES:,}.")
    return length


def upper(what: str) -> str:
    """At the start of a sentence."""
    return what[:1].upper() + what[1:]


def _cut_short(what: str) -> UsageError:
    return UsageError(f"{upper(what)} is cut short.", "Copy or write the file again.")


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"The data file '{path}' cannot be read: {error.strerror or error}.", "Is it still there?")
