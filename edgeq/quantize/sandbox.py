"""One model in a process of its own, with limits: a model that crashes or hangs the runtime ends as one sentence."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import IO, BinaryIO

from edgeq.errors import ConvertError, EdgeqError, UsageError
from edgeq.quantize.pieces import Ended, read_pieces, write_pieces
from edgeq.quantize.process import worker_environment

MEMORY_BYTES = 4 << 30
"""Addresses that the process may use, beside four times the model's size."""

TIMEOUT_S = 120.0
"""The longest wait for one answer; the same is allowed in processor time."""

_HINT = "Check that the file is whole; if it is, some operator in it is one that the runtime cannot run."


class Sandbox:
    """A model, loaded and ready to `invoke`; a context manager.

    `UsageError` without a runtime on this machine, `ConvertError` where it refuses the model, crashes or hangs.
    """

    def __init__(
        self, model: bytes, kernels: str, *, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._timeout_s, self._deadline, self._late = timeout_s, math.inf, False
        self._closed = threading.Event()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "edgeq.quantize.invoker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=worker_environment(),
        )
        threading.Thread(target=self._watch, daemon=True).start()
        settings = {"kernels": kernels, "memory_bytes": memory_bytes + 4 * len(model), "cpu_s": timeout_s}
        try:
            self._ask([json.dumps(settings).encode(), model], "loading it")
        except BaseException:
            self.close()
            raise

    def invoke(self, inputs: Sequence[bytes]) -> list[bytes]:
        """Raw little-endian bytes, one item per input -> one item per output."""
        return self._ask(inputs, "running it")

    def close(self) -> None:
        """End the process; may be called twice."""
        self._closed.set()
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        self._log.close()

    def _ask(self, pieces: Sequence[bytes], doing: str) -> list[bytes]:
        self._deadline = time.monotonic() + self._timeout_s
        try:
            write_pieces(_stream(self._child.stdin), pieces)
            verdict, *rest = read_pieces(_stream(self._child.stdout))
        except Ended as error:
            raise self._obituary(doing) from error
        finally:
            self._deadline = math.inf
        if verdict != b"ok":
            raise _refusal(verdict, b" ".join(rest).decode("utf-8", "replace"))
        return rest

    def _obituary(self, doing: str) -> ConvertError:
        """What to say of a process that is gone."""
        try:
            code = self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        if self._late:
            return ConvertError(f"The model did not end within {self._timeout_s:g} s of {doing} here.", _HINT)
        if -code in set(signal.Signals):
            how, why = signal.Signals(-code).name, "the model is damaged or not fit to run"
        else:
            how, why = f"exit code {code}", self._last_words() or "it left no message"
        return ConvertError(f"The runtime crashed ({how}) while {doing}: {why}.", _HINT)

    def _last_words(self) -> str:
        self._log.seek(max(0, self._log.seek(0, 2) - 2000))
        lines = self._log.read().decode("utf-8", "replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def _watch(self) -> None:
        """End the process when an answer is overdue."""
        while not self._closed.wait(min(0.25, max(0.01, self._deadline - time.monotonic()))):
            if time.monotonic() > self._deadline:
                self._late = True
                self._child.kill()
                return

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _stream(stream: IO[bytes] | None) -> BinaryIO:
    assert stream is not None
    return stream  # type: ignore[return-value]


def _refusal(verdict: bytes, words: str) -> EdgeqError:
    if verdict == b"unavailable":
        return UsageError(f"The model must run on this machine too. {words}", "pip install 'edgeq[runtime]'")
    return ConvertError(f"The model does not run here: {words}", _HINT)
