"""`edgeq-agent supervise ROOT`: keeps an agent at work, for good; what the systemd unit starts too.

It starts the agent anew where it ends, with a growing pause where it keeps ending, and ends one that does not answer.
A new agent is on trial: it stays where it answers `describe` and what serves passes its self-test, else the former one
is started. The supervisor itself is not changed by an update, so that whatever a new agent does, this code judges it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgeq.agent import installed
from edgeq.agent.daemon import BUSY
from edgeq.agent.errors import Refused
from edgeq.agent.here import Gone, Here
from edgeq.agent.process import archive
from edgeq.protocol import contract, smp
from edgeq.protocol.status import Status

LOG_BYTES = 1 << 20


@dataclass(frozen=True)
class Pace:
    """Seconds, and how often. An agent that ran for `steady_s` has not ended at once; one that gives no answer
    `silent` times in a row, asked every `ask_every_s`, is ended; `trial_s` is the longest trial of a new one."""

    first_s: float = 0.5
    longest_s: float = 10.0
    steady_s: float = 60.0
    ask_every_s: float = 30.0
    silent: int = 3
    trial_s: float = 120.0
    ending_s: float = 15.0


def supervise(root: Path, pace: Pace | None = None) -> int:
    """Look after the agent of a store until SIGTERM; the exit code is BUSY where another supervisor does."""
    installed.folder(root).mkdir(parents=True, exist_ok=True)
    with (installed.folder(root) / "lock").open("a+", encoding="ascii") as lock:
        if not _locked(lock):
            return BUSY
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        supervisor = _Supervisor(root, pace or Pace())
        for number in (signal.SIGTERM, signal.SIGINT):  # A handler may come while this thread holds the event's lock.
            signal.signal(number, lambda *_: threading.Thread(target=supervisor.ending.set).start())
        supervisor.run()
    return 0


def _locked(lock: IO[str]) -> bool:
    """Those who only look whether somebody holds it do so for a moment too."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(0.1)
    return False


class _Supervisor:
    def __init__(self, root: Path, pace: Pace) -> None:
        self.root, self.pace = root, pace
        self.ending = threading.Event()
        self._failures = 0

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                self._live()
            except (Refused, OSError) as error:  # Memory or disk are full: they may not be for ever.
                self._say(f"nothing can be started: {error}")
                self.ending.wait(self.pace.longest_s)

    def _live(self) -> None:
        """One life of the agent, and the pause behind it."""
        path, trial = installed.next_start(self.root, archive())
        began = time.monotonic()
        code = self._once(path, trial)
        if not self.ending.is_set():
            self._pause(code, time.monotonic() - began, trial)

    def _once(self, path: Path, trial: bool) -> int:
        """One life of the agent; its exit code."""
        with self._log() as log:
            found = installed.read(self.root)
            child = subprocess.Popen(
                [sys.executable, str(path), "serve", str(self.root), "--stay"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "EDGEQ_SERVICE": found.mode if found else installed.SUPERVISED},
            )
        try:
            if trial:
                self._judge(child)
            return self._look_after(child)
        finally:
            self._end(child)

    def _look_after(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for its end, asking it from time to time whether it is there."""
        silent, due = 0, time.monotonic() + self.pace.ask_every_s
        while child.poll() is None and not self.ending.is_set():
            _wait(child, 0.2)
            if time.monotonic() < due:
                continue
            silent = 0 if self._answers() else silent + 1
            due = time.monotonic() + self.pace.ask_every_s
            if silent >= self.pace.silent and child.poll() is None:
                self._say(f"the agent gave no answer {silent} times; it is started anew")
                child.kill()
                child.wait()
        return child.returncode if child.returncode is not None else 0

    def _answers(self) -> bool:
        try:
            with Here(self.root, start=False) as here:
                return bool(here.ask((smp.WRITE, smp.GROUP_OS, smp.OS_ECHO), {"d": "?"}, 10.0)["r"] == "?")
        except (Gone, Refused, OSError, KeyError):
            return False

    def _judge(self, child: subprocess.Popen[bytes]) -> None:
        """End the trial of a new agent, well or badly, unless its process ends before."""
        deadline, why = time.monotonic() + self.pace.trial_s, "it did not answer"
        while child.poll() is None and not self.ending.is_set():
            try:
                found = installed.read(self.root)
                if found is None or not found.trial:
                    return
                with Here(self.root, start=False) as here:
                    _examine(here, found.trial)
                installed.confirm(self.root)
                self._say(f"the new agent {found.trial[:12]} is confirmed")
                return
            except Gone as gone:
                why = f"it did not answer in time: {gone}"
            except Refused as refused:
                why = refused.reason
                if refused.status not in (Status.BUSY, Status.STATE):
                    deadline = 0.0
            except (OSError, KeyError, TypeError, ValueError) as error:
                why = f"{type(error).__name__}: {error}"
            if time.monotonic() > deadline:
                self._say(f"the new agent goes: {why}")
                installed.revert(self.root, why)
                self._end(child)
                return
            _wait(child, 0.3)

    def _pause(self, code: int, lived_s: float, trial: bool) -> None:
        if code == BUSY:  # Another agent is at work on this store, until its last visitor has left.
            if trial:
                installed.not_counted(self.root)
            self.ending.wait(1.0)
            return
        if code == 0:  # It was asked to end.
            self._failures = 0
            return
        self._failures = 0 if lived_s > self.pace.steady_s else self._failures + 1
        pause = min(self.pace.longest_s, self.pace.first_s * 2 ** max(0, self._failures - 1))
        self._say(f"the agent ended with code {code} after {lived_s:.0f} s; it is started anew in {pause:g} s")
        self.ending.wait(pause)

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """In good order where it can be had."""
        if child.poll() is None:
            child.terminate()
            _wait(child, self.pace.ending_s)
        if child.poll() is None:
            child.kill()
        child.wait()

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError), self._log() as log:
            log.write(f"supervisor: {text}\n".encode())

    def _log(self) -> IO[bytes]:
        path = installed.folder(self.root) / "log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            os.truncate(path, 0)
        return path.open("ab")


def _examine(here: Here, sha: str) -> None:
    """`Refused` or `Gone` where the agent of this digest does not do its work."""
    facts = here.ask(contract.DESCRIBE, {})
    if facts.get("agent_sha") != sha:
        raise Refused(Status.BUSY, "another agent is at work on this store")
    state = here.ask(contract.RELEASES, {})
    if state["current"] is not None or state["trial"] is not None:
        here.job(contract.SELFTEST, {}, lambda _: None)


def _wait(child: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
