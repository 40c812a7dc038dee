"""A temporary file without a name: what cannot be read sample by sample is put there once, not into memory."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import weakref
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgeq.errors import UsageError
from edgeq.host.paths import home

IN_MEMORY_BYTES = 64 << 20
"""Arrays up to this size stay there."""


class ReadAt(Protocol):
    """Bytes of something that stays where it is; fewer at its end."""

    def __call__(self, offset: int, count: int) -> bytes: ...


class Spool:
    """Lies in EDGEQ_HOME, since /tmp is memory on many machines; gone with the object."""

    def __init__(self, what: str, need_bytes: int = 0) -> None:
        folder = home() / "tmp"
        self._what = what
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < need_bytes:
                raise OSError(errno.ENOSPC, f"it needs {need_bytes:,} bytes in {folder}")
            # Closed by the finalizer: a dataset is a value that nobody closes.
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError as error:
            raise self._told(error) from error
        self._end = 0
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._end

    def append(self, data: bytes) -> int:
        """Returns the offset at which `data` lies now."""
        start = self._end
        try:
            self._file.seek(start)
            self._file.write(data)
        except OSError as error:
            raise self._told(error) from error
        self._end += len(data)
        return start

    def read_at(self, offset: int, count: int) -> bytes:
        """A `ReadAt`."""
        self._file.seek(offset)
        return self._file.read(count)

    def mapped(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """All of the file as an array of zeros, which may be written to and stays when this object goes."""
        try:
            if hasattr(os, "posix_fallocate"):  # a full disk would end the process when a page is written to
                os.posix_fallocate(self._file.fileno(), 0, prod(shape) * np.dtype(dtype).itemsize)
            return np.asarray(np.memmap(self._file, dtype, "w+", shape=shape))
        except OSError as error:
            raise self._told(error) from error

    def _told(self, error: OSError) -> UsageError:
        return UsageError(
            f"There is no room for {self._what}: {error.strerror or error}.",
            "Free some disk space, or set EDGEQ_HOME to a folder that has it.",
        )


def room(shape: tuple[int, ...], dtype: DTypeLike, what: str) -> NDArray[Any]:
    """An array of zeros to write into: in memory, or in such a file where it is large; `what` is for the error where
    there is no space for it."""
    size = prod(shape) * np.dtype(dtype).itemsize
    return np.zeros(shape, dtype) if size <= IN_MEMORY_BYTES else Spool(what, size).mapped(shape, dtype)
