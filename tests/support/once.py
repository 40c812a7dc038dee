"""What costs seconds to make is made once a run: the processes of `pytest -n` share a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeq.host.lock import locked

VARIABLE = "EDGEQ_TESTS_RUN"
WAIT_S = 600.0


def share(config: pytest.Config) -> None:
    """Begin a run: its folder, which goes with it. The processes that it starts find the same one."""
    if VARIABLE not in os.environ:
        folder = tempfile.mkdtemp(prefix="edgeq-tests-")
        os.environ[VARIABLE] = folder
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True))


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name`, filled by `make` in the first process of this run that asks; the others wait for it."""
    run = Path(os.environ[VARIABLE])
    folder, done = run / name, run / f"{name}.done"
    with locked(run / f"{name}.lock", WAIT_S):
        if not done.is_file():
            shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
