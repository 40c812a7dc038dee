"""The agent's handle on one worker process: start it, ask it, never wait for it without a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from edgeq.agent import pipe
from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status

LOAD_TIMEOUT_S = 120.0


class ModelProcess:
    """A worker with one model loaded; a context manager. Every failure is a `Refused` that quotes the runtime."""

    def __init__(self, model: Path, *, runtime: Path | None, threads: int, kernels: str, python: str = "") -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        self._tail = ""
        try:
            self._child = subprocess.Popen(
                [python or sys.executable, *program(), "worker", str(runtime or "")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd="/",
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
        return not self._log.closed and self._child.poll() is None

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

    def _obituary(self) -> str:
        try:
            code = self._child.wait(5)
        except subprocess.TimeoutExpired:
            return "the model's process broke the protocol"
        finally:
            self.close()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"the model's process {how}{self._tail}"

    def close(self) -> None:
        """End the process; may be called twice."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
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


def _last_line(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, 2) - 2000))
    lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return f": {lines[-1].strip()[:300]}" if lines else ""


def program() -> list[str]:
    """How this very program is started again: the zipapp it came in, or the installed package."""
    found = archive()
    return [str(found)] if found else ["-m", "edgeq.agent"]


def archive() -> Path | None:
    """The zipapp that this module was imported from, also where an application imports it; None for a package."""
    path = getattr(__spec__.loader, "archive", "") if __spec__ else ""
    return Path(path).resolve() if path else None
