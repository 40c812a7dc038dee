"""Run one command and hold its whole process tree: when the command or this process ends, nothing is left of it.

A script of its own (`python -I -S supervise.py`), so that it starts in milliseconds and outlives whoever started it:
`supervise.py COOKIE POWERDOWN GRACE_S COMMAND...`. On SIGTERM it writes the line POWERDOWN (if any) to the command's
standard input, waits GRACE_S for it to end, then kills the tree. Standard library only; imports nothing of edgeq.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}


def main(arguments: list[str]) -> int:
    """The command's exit code (128 + signal when a signal ended it)."""
    _cookie, powerdown, grace_s, *command = arguments
    os.chdir("/")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.dup2(reading, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        try:
            os.execvp(command[0], command)  # noqa: S606 - a list, no shell
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)
    os.close(reading)
    try:
        status = _wait(child, time.monotonic() + 10**9, SIGNALS)
        if status is None and powerdown:
            _write(writing, powerdown)
            status = _wait(child, time.monotonic() + float(grace_s), {signal.SIGCHLD})
    finally:
        _kill_tree(time.monotonic() + 5)
    return 0 if status is None else os.waitstatus_to_exitcode(status) % 256


def _wait(child: int, deadline: float, signals: set[signal.Signals]) -> int | None:
    """Reap children until `child` ends: its status; None when a signal asks to stop, or at the deadline."""
    while True:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == child:
                return status
            if not pid:
                break
        found = signal.sigtimedwait(signals, max(0.0, min(deadline - time.monotonic(), 3600.0)))
        if found and found.si_signo != signal.SIGCHLD:
            return None
        if time.monotonic() > deadline:
            return None


def _write(descriptor: int, line: str) -> None:
    try:
        os.write(descriptor, (line + "\n").encode())
    except OSError:
        return


def _kill_tree(deadline: float) -> None:
    """SIGKILL to all descendants until none is left; orphans come here, because this process is their subreaper."""
    while time.monotonic() < deadline:
        tree = _descendants()
        for pid in tree:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        time.sleep(0.005)


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
