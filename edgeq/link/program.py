"""A program on this machine whose standard input and output are the link: the agent of `local:`, or `ssh`.

POSIX only, since pipes cannot be waited for elsewhere: on Windows `local:` is refused and paramiko carries `ssh://`.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence

from edgeq.errors import LinkError, LinkTimeout
from edgeq.link.base import last_line

KEPT_STDERR_BYTES = 8 << 10
READ_BYTES = 1 << 18
CLOSE_S = 2.0
LAST_WORDS_S = 1.0
HINT = "Run the same command again."


class ProgramLink:
    """Bytes to and from a child process started from `argv`; `name` stands for it in messages."""

    lossy = False

    def __init__(self, argv: Sequence[str], name: str) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        self._closed, self._last_words = False, b""
        try:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0
            )
        except OSError as error:
            self._errors.close()
            raise LinkError(f"{argv[0]} did not start: {error}.", "Reinstall edgeq.") from error
        assert self._child.stdin and self._child.stdout
        self._in, self._out = self._child.stdin.fileno(), self._child.stdout.fileno()
        os.set_blocking(self._in, False)

    @property
    def code(self) -> int | None:
        """How the program ended, negative for a signal; None while it runs."""
        return self._child.poll()

    @property
    def stderr(self) -> bytes:
        """The end of what it complained about."""
        if self._closed:
            return self._last_words
        end = self._errors.seek(0, os.SEEK_END)
        return os.pread(self._errors.fileno(), KEPT_STDERR_BYTES, max(0, end - KEPT_STDERR_BYTES))

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send all of `data`. `LinkTimeout` when no byte is taken for `timeout_s`, `LinkError` when it is gone."""
        self._check_open()
        view = memoryview(data)
        while view:
            if not select.select([], [self._in], [], timeout_s)[1]:
                raise LinkTimeout(f"{self.name} took no bytes for {timeout_s:g} s.", HINT)
            try:
                view = view[os.write(self._in, view) :]
            except OSError as error:
                raise self.gone() from error

    def receive(self, timeout_s: float) -> bytes:
        """At least one byte. `LinkTimeout` when none comes in `timeout_s`, `LinkError` when the program is gone."""
        self._check_open()
        if not select.select([self._out], [], [], timeout_s)[0]:
            raise LinkTimeout(f"{self.name} sent nothing for {timeout_s:g} s.", HINT)
        data = os.read(self._out, READ_BYTES)
        if not data:
            raise self.gone()
        return data

    def gone(self) -> LinkError:
        """The error for a program that has ended, with its last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(LAST_WORDS_S)
        how = "by a signal" if (self.code or 0) < 0 else f"with exit code {self.code}"
        return LinkError(f"The program behind {self.name} ended {how}{self.said()}.", HINT)

    def said(self) -> str:
        """`: ` and its last words, for messages; empty where there are none."""
        said = last_line(self.stderr).rstrip(".")
        return f": {said}" if said else ""

    def close(self) -> None:
        """Close its input, which ends it; end it otherwise. Never raises, may be called twice."""
        if self._closed:
            return
        self._last_words = self.stderr
        self._closed = True
        assert self._child.stdin and self._child.stdout
        self._child.stdin.close()
        self._child.stdout.close()
        deadline = time.monotonic() + CLOSE_S
        while self._child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._errors.close()

    def _check_open(self) -> None:
        if self._closed:
            raise LinkError(f"The link to {self.name} is closed.", "Open it again.")
