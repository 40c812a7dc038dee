"""Arrays in `.npy` and `.npz` files whose rows are read one by one, wherever their bytes lie."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.options import Progress, Ticker
from edgeq.dataset.spool import ReadAt, Spool
from edgeq.errors import UsageError

LOADED_BYTES = 64 << 20
"""Members of an `.npz` up to this size are held in memory, with their checksum verified."""
TURNED_BYTES = 1 << 30
"""Fortran-ordered arrays up to this size are loaded; in larger ones a sample is spread over the whole file."""
_CHUNK_BYTES = 1 << 20
_HEADER_BYTES = 1 << 16

Array = NDArray[Any]


@dataclass(frozen=True)
class Header:
    """What the start of an `.npy` says. `size` is its own length in bytes, `nbytes` that of the values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    size: int

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class Rows:
    """An array (n, ...) whose rows are read when they are asked for."""

    def __init__(self, header: Header, read_at: ReadAt, offset: int, what: str) -> None:
        self.shape, self.dtype = header.shape, header.dtype
        self._read_at, self._offset, self._what = read_at, offset, what
        self._row_bytes = math.prod(header.shape[1:]) * header.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> Array:
        """Rows `start` to `stop`, in the byte order of this machine."""
        want = (stop - start) * self._row_bytes
        data = self._read_at(self._offset + start * self._row_bytes, want)
        if len(data) != want:
            raise cut_short(self._what)
        rows = np.frombuffer(data, self.dtype).reshape(stop - start, *self.shape[1:])
        return rows.astype(self.dtype.newbyteorder("="))

    def whole(self) -> Array:
        """All of it, also where it is one number."""
        data = self._read_at(self._offset, math.prod(self.shape) * self.dtype.itemsize)
        return np.frombuffer(data, self.dtype).reshape(self.shape)

    def all(self) -> Iterator[Array]:
        """Every row, about a megabyte at a time."""
        step = max(1, _CHUNK_BYTES // max(self._row_bytes, 1))
        for start in range(0, len(self), step):
            yield self.read(start, min(start + step, len(self)))


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Whatever a broken file makes numpy and zipfile raise becomes a `UsageError`."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # hostile bytes make both raise nearly anything, RecursionError included
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(
            f"The data file '{path}' cannot be read: {reason}.".replace("..", "."),
            "Save plain number arrays with numpy: np.savez('data.npz', x=samples, y=labels).",
        ) from error


def open_npy(path: Path) -> Rows:
    """The one array of an `.npy` file."""
    with translated(path), path.open("rb") as file:
        header = read_header(file, f"'{path}'")
        if path.stat().st_size < header.size + header.nbytes:
            raise cut_short(f"'{path}'")
        return _rows(header, reader(path), header.size, f"'{path}'")


@dataclass(frozen=True)
class Member:
    """One array of an `.npz`; nothing but its header has been read."""

    path: Path
    name: str
    header: Header

    def rows(self, progress: Progress) -> Rows:
        """From memory where it is small, from its place in the file where it is stored, else unpacked once."""
        what = f"'{self.name}' of '{self.path}'"
        with translated(self.path), zipfile.ZipFile(self.path) as archive:
            entry = archive.getinfo(self.name + ".npy")
            if entry.file_size <= LOADED_BYTES:
                data = archive.read(entry)
                return _rows(self.header, _slice_of(data), self.header.size, what)
            if entry.compress_type == zipfile.ZIP_STORED:
                start = _start_of(self.path, entry)
                return _rows(self.header, reader(self.path), start + self.header.size, what)
            return _rows(self.header, _unpack(archive, entry, what, progress), self.header.size, what)


def open_npz(path: Path) -> dict[str, Member]:
    """The arrays of an `.npz`, in the order of the file."""
    found = {}
    with translated(path), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".npy"):
                name = entry.filename[: -len(".npy")]
                what = f"'{name}' of '{path}'"
                with archive.open(entry) as file:
                    header = read_header(file, what)
                if entry.file_size < header.size + header.nbytes:
                    raise cut_short(what)
                found[name] = Member(path, name, header)
    return found


def read_header(file: IO[bytes], what: str) -> Header:
    """The header at the start of `file`. ValueError as numpy tells it; UsageError for objects."""
    start = io.BytesIO(file.read(_HEADER_BYTES))
    if not start.getvalue().startswith(np.lib.format.MAGIC_PREFIX):
        raise ValueError(f"{what} is not an array that numpy saved")
    version = np.lib.format.read_magic(start)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"it is of version {version} of the format, which holds no plain numbers")
    try:
        shape, fortran, dtype = read(start)
    except Exception as error:  # numpy evaluates the header as a literal of Python
        raise ValueError(f"the header of {what} is damaged") from error
    if dtype.hasobject or dtype.names:
        raise UsageError(
            f"{what} holds Python objects or records, not plain numbers.",
            "Save plain arrays: rows of one length as numbers, names as np.array(names, dtype=str).",
        )
    if any(size < 0 for size in shape):
        raise ValueError(f"{what} has the shape {shape}")
    return Header(tuple(map(int, shape)), dtype, bool(fortran) and len(shape) > 1, start.tell())


def reader(path: Path) -> ReadAt:
    """Reads a file where it lies. Not mapped into memory: a file that shrinks meanwhile would kill the process."""

    def read_at(offset: int, count: int) -> bytes:
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(offset)
                return _read_fully(file, count)
        except OSError as error:
            raise UsageError(
                f"The file '{path}' cannot be read: {error.strerror or error}.", "Is it still there?"
            ) from error

    return read_at


def cut_short(what: str) -> UsageError:
    """The end of it is missing."""
    return UsageError(f"{what} is cut short: it says that it is longer than it is.", "Copy or save it again.")


def _read_fully(file: IO[bytes], count: int) -> bytes:
    """One read gives at most 2 GiB."""
    data = file.read(count)
    if len(data) == count or not data:
        return data
    parts = [data]
    while (left := count - sum(map(len, parts))) and (data := file.read(left)):
        parts.append(data)
    return b"".join(parts)


def _rows(header: Header, read_at: ReadAt, offset: int, what: str) -> Rows:
    if not header.fortran:
        return Rows(header, read_at, offset, what)
    if header.nbytes > TURNED_BYTES:
        raise UsageError(
            f"{what} is in Fortran order, so that every sample is spread over all of its {header.nbytes:,} bytes.",
            "Save np.ascontiguousarray(samples).",
        )
    data = read_at(offset, header.nbytes)
    if len(data) != header.nbytes:
        raise cut_short(what)
    turned = np.ascontiguousarray(np.frombuffer(data, header.dtype).reshape(header.shape, order="F")).tobytes()
    return Rows(Header(header.shape, header.dtype, False, 0), _slice_of(turned), 0, what)


def _slice_of(data: bytes) -> ReadAt:
    return lambda offset, count: data[offset : offset + count]


def _start_of(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored member begin: behind its local header, whose length is its own."""
    local = reader(path)(entry.header_offset, 30)
    if len(local) != 30 or local[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("the header of a member is damaged")
    name_bytes, extra_bytes = struct.unpack_from("<HH", local, 26)
    return int(entry.header_offset) + 30 + int(name_bytes) + int(extra_bytes)


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, what: str, progress: Progress) -> ReadAt:
    spool, ticker = Spool(what, entry.file_size), Ticker(progress, f"unpacking {what}", entry.file_size)
    with archive.open(entry) as file:
        while data := file.read(_CHUNK_BYTES):
            spool.append(data)
            ticker.tell(len(spool))
    return spool.read_at
