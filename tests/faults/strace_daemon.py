"""The agent's daemon under strace: which state-changing calls it makes at each phase of a deploy, and what happens when
one of them kills it or fails.

strace counts the calls of each thread for itself, so a fault "at the n-th fsync" hits whichever thread gets there
first; a look at an undisturbed run says which call that is, and calls that nobody can single out are left out.
"""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fault_lab import NOTHING, PATIENCE_S, Acked, Daemon, Lab, PipeLink, Skip, made, put_all

from edgeq.device.device import Device
from edgeq.errors import EdgeqError

CALLS = (
    *("mkdir", "rename", "link", "symlink", "unlink", "unlinkat", "rmdir", "fsync", "ftruncate", "write"),
    *("linkat", "renameat", "renameat2", "mkdirat", "symlinkat", "fdatasync", "open", "openat"),
)


FIRST = "first"
"""The first deploy of all: nothing serves before it."""


@dataclass(frozen=True)
class Phase:
    """A store to begin with, and what is asked of its agent. `attached` where the daemon starts undisturbed."""

    stage: str
    ask: Callable[[Device, Lab, Acked], None]
    attached: bool = True
    may_serve: tuple[str, ...] = ("good",)


def _put(device: Device, lab: Lab, acked: Acked) -> None:
    put_all(device, lab.other, acked.blobs.append)


def _stage(device: Device, lab: Lab, acked: Acked) -> None:
    device.stage(lab.other.digest, [])
    acked.staged.append(lab.other.digest)


def _activate(device: Device, lab: Lab, acked: Acked) -> None:
    device.activate(2)
    acked.serving = lab.other.digest


def _rollback(device: Device, lab: Lab, acked: Acked) -> None:
    device.rollback()
    acked.serving = lab.good.digest


def _start(device: Device, lab: Lab, acked: Acked) -> None:
    """The daemon's own start after a kill in the middle of a trial, until the trial has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while device.installed().trial is not None:
        assert time.monotonic() < deadline, "the trial does not end"
        time.sleep(0.01)
    found = device.installed()
    assert found.serving, "no release serves"
    tried = found.find(2)
    # A fault in the model's process ends the trial; a start that could not be counted leaves it open.
    if tried and tried.state in ("confirmed", "bad"):
        acked.serving = found.serving.digest


def _first(device: Device, lab: Lab, acked: Acked) -> None:
    put_all(device, lab.other, acked.blobs.append)
    n = device.stage(lab.other.digest, [])
    acked.blobs.clear()
    acked.staged.append(lab.other.digest)
    device.activate(n)
    acked.serving = lab.other.digest


PHASES = {
    "put": Phase("serving", _put),
    "stage": Phase("put", _stage),
    "prune": Phase("full", _stage),
    "activate": Phase("staged", _activate, may_serve=("good", "other")),
    "rollback": Phase("two", _rollback, may_serve=("good", "other")),
    "start": Phase("trial", _start, attached=False, may_serve=("good", "other")),
    FIRST: Phase("empty", _first, may_serve=(NOTHING, "other")),
}


def digests(lab: Lab, phase: str) -> tuple[str, ...]:
    """What may serve after a fault in this phase."""
    return tuple(name if name == NOTHING else getattr(lab, name).digest for name in PHASES[phase].may_serve)


@dataclass(frozen=True)
class Point:
    """The `when`-th `call` of a thread in a phase; `text` is strace's line without the thread's number."""

    phase: str
    call: str
    when: int
    text: str
    after: str
    """The call before it in the same thread."""


@dataclass
class Run:
    """What came of a phase under strace."""

    acked: Acked
    error: EdgeqError | None
    root: Path
    daemon: Daemon
    log: Path

    @property
    def died(self) -> bool:
        return self.daemon.process.poll() is not None


def need_strace() -> None:
    """`Skip` where strace is missing or may not trace."""
    reason = _refusal()
    if reason:
        raise Skip(reason)


@cache
def _refusal() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return "strace may not trace here" if done.returncode else ""


def trace(lab: Lab, name: str, inject: str = "", thaw: bool = False) -> Run:
    """One phase under strace, with a fault. The daemon is left as it is; the caller ends it.

    With `thaw` strace lets go of the daemon once the phase is over, so that what fails for good fails no more.
    """
    need_strace()
    phase = PHASES[name]
    root = lab.store(phase.stage)
    log = root.parent / "strace"
    words = ["strace", "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={','.join('?' + call for call in CALLS)}"]
    words += ["-e", f"inject={inject}"] if inject else []
    acked, error, tracer = Acked(), None, None
    daemon = Daemon(root, () if phase.attached else tuple(words))
    link = None
    try:
        if daemon.ready():
            link = PipeLink(root)
            device = Device(link, "local:")
            if phase.attached:
                device.releases()  # its thread is there now
                tracer = _attach(daemon.process.pid, words)
            phase.ask(device, lab, acked)
    except EdgeqError as failed:
        error = failed
    except SystemExit as failed:  # the daemon ended before it took us
        error = EdgeqError(str(failed))
    finally:
        if link:
            link.close()
        if tracer:
            if thaw:
                tracer.terminate()
            else:
                daemon_gone(daemon)
            _ended(tracer, daemon)
    return Run(acked, error, root, daemon, log)


def daemon_gone(daemon: Daemon) -> None:
    """A daemon that was killed takes a moment to be gone."""
    deadline = time.monotonic() + 0.3
    while daemon.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def _ended(tracer: subprocess.Popen[str], daemon: Daemon) -> None:
    try:
        tracer.wait(0.05)
    except subprocess.TimeoutExpired:
        tracer.terminate()
        try:
            tracer.wait(PATIENCE_S)
        finally:
            tracer.kill()
    if tracer.stderr:
        tracer.stderr.close()


def _attach(pid: int, words: list[str]) -> subprocess.Popen[str]:
    tracer = subprocess.Popen(
        [*words, "-p", str(pid)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert tracer.stderr
    line = tracer.stderr.readline()
    if "attached" not in line:
        tracer.kill()
        raise Skip(f"strace does not attach: {line.strip()}")
    return tracer


_LINE = re.compile(r"(\d+) +(\w+)\((.*)")


def points(lab: Lab) -> list[Point]:
    """Every call that can be singled out, in the order of the phases and of the calls."""
    need_strace()
    if not hasattr(lab, "_points"):
        folder = made(lab, "strace-points", lambda folder: (folder / "points").write_bytes(pickle.dumps(_look(lab))))
        lab._points = pickle.loads((folder / "points").read_bytes())  # type: ignore[attr-defined]
    return lab._points  # type: ignore[attr-defined,no-any-return]


def _look(lab: Lab) -> list[Point]:
    found: list[Point] = []
    for name in PHASES:
        done = trace(lab, name)
        done.daemon.end()
        assert done.error is None, f"{name}: {done.error}"
        found += _read(name, done)
    return found


def _read(phase: str, done: Run) -> list[Point]:
    """The calls of a log that come first to their count, and that touch the store."""
    counts: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, int]] = set()
    last: dict[str, str] = {}
    found = []
    for line in done.log.read_text().splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        thread, call, text = match.groups()
        counts[thread, call] += 1
        key = (call, counts[thread, call])
        before, last[thread] = last.get(thread, ""), call
        if key in seen:
            continue
        seen.add(key)
        if _changes(call, text, done.root):
            found.append(Point(phase, *key, text[:160], before))
    return found


def _changes(call: str, text: str, root: Path) -> bool:
    """Whether a call changes the store: not one to a pipe, a log, the socket or a file that is only read."""
    if (
        (f"{root}/" not in text and f"<{root}>" not in text)
        or "agent.sock" in text
        or f"{root}/log" in text
        or f"{root}/lock" in text
    ):
        return False
    return not call.startswith("open") or "O_CREAT" in text
