"""A lock between processes, on a file; the kernel frees it when its holder dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeq.errors import UsageError


@contextmanager
def locked(path: Path, timeout_s: float, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`; `on_wait` is called once if another holds it, `UsageError` after `timeout_s`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    told = False
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    told = True
                    on_wait()
            if time.monotonic() > deadline:
                raise UsageError(
                    f"Another edgeq process has held {path} for more than {timeout_s:.0f} s.",
                    "Wait for it or end it; then try again.",
                )
            time.sleep(0.05)
        yield
