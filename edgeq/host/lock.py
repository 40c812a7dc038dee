"""A lock between processes and threads, on a file; the system frees it when its holder dies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from edgeq.errors import UsageError

TICK_S = 0.05

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[Any]) -> bool:
        """One byte stands for the file; it may lie behind its end."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[Any]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[Any]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[Any]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def locked(path: Path, timeout_s: float, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`; `on_wait` is called once if another holds it, `UsageError` after `timeout_s`.

    The file stays, since whoever waits for it has it open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    told = False
    with path.open("ab", buffering=0) as file:
        while not _try_lock(file):
            if not told:
                told = True
                on_wait()
            if time.monotonic() > deadline:
                raise UsageError(
                    f"Another edgeq process has held {path} for more than {timeout_s:.0f} s.",
                    "Wait for it or end it; then try again.",
                )
            time.sleep(TICK_S)
        try:
            yield
        finally:
            _unlock(file)
