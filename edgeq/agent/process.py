"""The agent's handle on one worker process: start it, ask it, never wait for it without a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from edgeq.agent import pipe
from edgeq.agent.errors import Refused
from edgeq.agent.limits import memory_limit
from edgeq.protocol.status import Status

LOAD_TIMEOUT_S = 120.0


class ModelProcess:
    """A worker with one model loaded; a context manager. Every failure is a `Refused` that quotes the runtime."""

    def __init__(self, model: Path, *, runtime: Path | None, threads: int, kernels: str, python: str = "") -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        self._tail = ""
        self._reaping = threading.Lock()
        try:
            self._child = subprocess.Popen(
                [python or sys.executable, *program(), "worker", str(runtime or ""), str(memory_limit(model))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd="/",
                start_new_session=True,  # What it starts ends with it.
            )
        except OSError as error:
            self._log.close()
            raise Refused(Status.RUNTIME, f"the model's process did not start: {error}") from error
        self.pid = self._child.pid
        assert self._child.stdin
        os.set_blocking(self._child.stdin.fileno(), False)
        try:
            self.loaded = self.ask(LOAD_TIMEOUT_S, do="load", path=str(model), threads=threads, kernels=kernels)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._log.closed and not self._ended

    def ask(self, timeout_s: float, **request: Any) -> dict[str, Any]:
        """One request, one answer."""
        return next(self.stream(timeout_s, **request))

    def stream(self, timeout_s: float, **request: Any) -> Iterator[dict[str, Any]]:
        """One request, answers until the last; `timeout_s` is the longest wait for each of them."""
        assert self._child.stdin and self._child.stdout
        try:
            pipe.send(self._child.stdin.fileno(), request, timeout_s)
            while True:
                answer = pipe.receive(self._child.stdout.fileno(), timeout_s)
                if "error" in answer:
                    raise Refused(Status(answer.get("status", Status.RUNTIME)), answer["error"])
                last = not answer.pop("more", False)
                yield answer
                if last:
                    return
        except pipe.PipeTimeout as error:
            self.close()
            raise Refused(
                Status.TIMEOUT, f"the model gave no answer within {timeout_s:g} s; its process was ended"
            ) from error
        except (pipe.PipeClosed, ValueError) as error:
            raise Refused(Status.RUNTIME, self._obituary()) from error

    def tell(self, **request: Any) -> None:
        """Send what has no answer; nothing happens where the process is gone or does not listen."""
        assert self._child.stdin
        with contextlib.suppress(pipe.PipeClosed, pipe.PipeTimeout, OSError, ValueError):
            pipe.send(self._child.stdin.fileno(), request, 1.0)

    @property
    def _ended(self) -> bool:
        """Looked at without taking its exit code: as long as nobody has, its number and its group are its own."""
        with self._reaping:
            if self._child.returncode is not None:
                return True
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _obituary(self) -> str:
        deadline = time.monotonic() + 5
        while not self._ended and time.monotonic() < deadline:
            time.sleep(0.01)
        ended = self._ended
        self.close()
        if not ended:
            return "the model's process broke the protocol"
        return f"the model's process {how_it_ended(self._child.returncode)}{self._tail}"

    def end(self) -> None:
        """End the process and all that it has started in its session; beside a request, which then fails, and twice."""
        with self._reaping:
            if self._child.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            self._child.wait()

    def close(self) -> None:
        """End it, and let go of its pipes: by whoever asks it, or where nobody does; may be called twice."""
        self.end()
        for stream in (self._child.stdin, self._child.stdout):
            if stream:
                stream.close()
        if not self._log.closed:
            self._tail = _last_line(self._log)
            self._log.close()

    def __enter__(self) -> ModelProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def how_it_ended(code: int) -> str:
    """A clause for an exit code, which is negative for a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


_CHATTER = ("INFO:", "WARNING:")
"""How lines begin that LiteRT writes of a healthy model."""


def _last_line(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, 2) - 2000))
    lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
    last = next((line for line in reversed(lines) if line and not line.startswith(_CHATTER)), "")
    return f": {last[:300]}" if last else ""


def program() -> list[str]:
    """How this very program is started again: the zipapp it came in, or the installed package."""
    found = archive()
    return [str(found)] if found else ["-m", "edgeq.agent"]


def archive() -> Path | None:
    """The zipapp that this module was imported from, also where an application imports it; None for a package."""
    path = getattr(__spec__.loader, "archive", "") if __spec__ else ""
    return Path(path).resolve() if path else None
