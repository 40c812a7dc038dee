"""The lock on a file: one holder at a time, among threads and processes, and never longer than its holder lives."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgeq.errors import UsageError
from edgeq.host.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from edgeq.host.lock import locked
with locked(Path(sys.argv[1]), 5):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        with locked(tmp_path / "lock", 10):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_who_waits_is_told_once_and_not_for_ever(tmp_path: Path) -> None:
    told: list[int] = []
    with locked(tmp_path / "new" / "lock", 1), pytest.raises(UsageError, match="for more than 0 s"):  # noqa: SIM117
        with locked(tmp_path / "new" / "lock", 0.2, lambda: told.append(1)):
            pass
    assert told == [1]
    with locked(tmp_path / "new" / "lock", 0):
        pass


def test_an_error_inside_frees_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "lock", 1):
        raise KeyError
    with locked(tmp_path / "lock", 0):
        pass


def test_a_holder_that_dies_frees_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(UsageError), locked(tmp_path / "lock", 0.1):
            pass
        holder.kill()
    with locked(tmp_path / "lock", 2):
        pass
