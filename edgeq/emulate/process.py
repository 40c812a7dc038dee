"""Processes by identity: a recycled process number is never taken for the emulator, and a whole tree ends."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessId:
    """A process and what tells it from a later one with the same number: boot and start time in clock ticks."""

    pid: int
    start_ticks: int
    boot_id: str


def identify(pid: int) -> ProcessId | None:
    """The identity of a living process, or None; a zombie does not live."""
    fields = _stat(pid)
    if not fields or fields[0] in ("Z", "X"):
        return None
    return ProcessId(pid, int(fields[19]), boot_id())


def alive(process: ProcessId) -> bool:
    """True while this very process lives."""
    return identify(process.pid) == process


def boot_id() -> str:
    """What names this boot of the kernel."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third (state) on; the second may hold blanks and brackets."""
    try:
        return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """All living processes below `pid`, parents before children."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) and fields[0] not in ("Z", "X"):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def marked(marker: str) -> list[int]:
    """Living processes of ours whose environment or command line holds `marker`, wherever they hang in the tree."""
    wanted = marker.encode()
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        for name in ("cmdline", "environ"):
            try:
                if wanted in (entry / name).read_bytes():
                    found.append(int(entry.name))
                    break
            except OSError:
                break
    return found


def end(process: ProcessId, marker: str, grace_s: float) -> bool:
    """Ask the supervisor to end its tree; after `grace_s` kill what is left, and all that carries `marker`.

    True when anything had to be ended.
    """
    lived = alive(process)
    tree: list[ProcessId] = []
    if lived:
        tree = [found for pid in descendants(process.pid) if (found := identify(pid))]
        os.kill(process.pid, signal.SIGTERM)
        wait_gone([process], grace_s)
    left = [item for item in [process, *tree] if alive(item)]
    left += [item for pid in marked(marker) if (item := identify(pid)) and item not in left]
    for item in left:
        kill(item)
    wait_gone(left, 5.0)
    return lived or bool(left)


def kill(process: ProcessId) -> None:
    """SIGKILL to this very process, if it still lives and is ours."""
    if alive(process):
        try:
            os.kill(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def wait_gone(processes: list[ProcessId], timeout_s: float) -> bool:
    """Wait until none of them lives; False at the deadline."""
    deadline = time.monotonic() + timeout_s
    while any(alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
