"""`local:` - this machine, through a child process's standard input and output."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence

from edgeq.errors import LinkError, LinkTimeout


class LocalLink:
    """Bytes to and from a child process started from `argv`."""

    lossy = False

    def __init__(self, argv: Sequence[str], name: str = "local:") -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        try:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0
            )
        except OSError as error:
            self._errors.close()
            raise LinkError(f"{name} The program did not start: {error}.", "Reinstall edgeq.") from error
        assert self._child.stdin and self._child.stdout
        self._in, self._out = self._child.stdin.fileno(), self._child.stdout.fileno()
        os.set_blocking(self._in, False)

    def send(self, data: bytes, timeout_s: float) -> None:
        view = memoryview(data)
        while view:
            if not select.select([], [self._in], [], timeout_s)[1]:
                raise LinkTimeout(
                    f"{self.name} took no bytes for {timeout_s:g} s.", "Is the machine overloaded? Try again."
                )
            try:
                view = view[os.write(self._in, view) :]
            except OSError as error:
                raise self._gone() from error

    def receive(self, timeout_s: float) -> bytes:
        if not select.select([self._out], [], [], timeout_s)[0]:
            raise LinkTimeout(
                f"{self.name} gave no answer within {timeout_s:g} s.", "Is the machine overloaded? Try again."
            )
        data = os.read(self._out, 1 << 18)
        if not data:
            raise self._gone()
        return data

    def _gone(self) -> LinkError:
        self._errors.seek(0)
        text = self._errors.read(4096).decode("utf-8", "replace").strip()
        said = f" It said: {text.splitlines()[-1]}" if text else ""
        return LinkError(f"{self.name} The agent ended.{said}", "Run the command again.")

    def close(self) -> None:
        assert self._child.stdin and self._child.stdout
        self._child.stdin.close()
        self._child.stdout.close()
        deadline = time.monotonic() + 2
        while self._child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._errors.close()
