"""The bytes below SSH: a TCP connection, a ProxyCommand or a channel of a jump host, each with deadlines.

paramiko retries a blocked `send` for ever and reads packets in small pieces; `Wire` gives up in time and reads ahead.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from edgeq.errors import LinkError, LinkTimeout, UsageError

READ_AHEAD_BYTES = 1 << 18
OPENING_READS = 32
USER_TIMEOUT_MS = 60_000
T = TypeVar("T")


class Deadline:
    """A moment after which waiting is over."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    def left(self, shown: str, doing: str) -> float:
        """Seconds that remain, more than zero; `LinkTimeout` when none do."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise too_late(shown, self.timeout_s, doing)
        return left


def too_late(shown: str, timeout_s: float, doing: str) -> LinkTimeout:
    """The error for a deadline that passed."""
    return LinkTimeout(
        f"{shown} did not answer within {timeout_s:g} s while {doing}.", "Is the device up, and is the network between?"
    )


def in_time(work: Callable[[], T], deadline: Deadline, shown: str, doing: str) -> T:
    """Run what takes no timeout itself (name look-up, the key agent) in a thread that is left behind when it hangs."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True, name=f"edgeq {doing}")
    thread.start()
    thread.join(deadline.left(shown, doing))
    if failed:
        raise failed[0]
    if not done:
        raise too_late(shown, deadline.timeout_s, doing)
    return done[0]


class Wire:
    """What paramiko takes for a socket. `stall_s` is how long a send may be blocked; then `stalled` stays true."""

    def __init__(self, below: Any, stall_s: float) -> None:
        self.stall_s = stall_s
        self.stalled = False
        self._below = below
        self._blocked_since: float | None = None
        self._read = b""
        self._at = 0
        self._opening_reads = OPENING_READS
        self._closed = False  # paramiko looks at this name
        self._lock = threading.Lock()

    def settimeout(self, seconds: float) -> None:
        self._below.settimeout(seconds)

    def send(self, data: bytes) -> int:
        """Bytes taken; TimeoutError makes paramiko try again, OSError makes it give up."""
        if self.stalled:
            raise BrokenPipeError("the other side takes no bytes")
        try:
            sent: int = self._below.send(data)
        except TimeoutError:
            now = time.monotonic()
            self._blocked_since = self._blocked_since or now
            if now - self._blocked_since < self.stall_s:
                raise
            self.stalled = True
            raise BrokenPipeError("the other side takes no bytes") from None
        self._blocked_since = None
        return sent

    def recv(self, size: int) -> bytes:
        """At most `size` bytes, empty at the end."""
        if self._at == len(self._read):
            self._read, self._at = self._below.recv(max(size, READ_AHEAD_BYTES)), 0
            self._acknowledge()
        piece = self._read[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def _acknowledge(self) -> None:
        """sshd leaves Nagle's algorithm on until a program runs: a late acknowledgement costs 40 ms then."""
        if self._opening_reads and hasattr(socket, "TCP_QUICKACK"):
            self._opening_reads -= 1
            with contextlib.suppress(OSError, AttributeError):
                self._below.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        """Wakes whoever waits in `recv`; never raises, may be called twice."""
        with self._lock:
            closed, self._closed = self._closed, True
        if closed:
            return
        with contextlib.suppress(Exception):
            self._below.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(Exception):
            self._below.close()


def connect_tcp(host: str, port: int, deadline: Deadline, shown: str) -> socket.socket:
    """The first address of `host` that answers; the time that is left is shared between them."""
    found = in_time(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), deadline, shown, "its name was looked up"
    )
    error: OSError | None = None
    for number, (family, kind, protocol, _, place) in enumerate(found):
        left = deadline.left(shown, "connecting")
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(left / (len(found) - number))
        try:
            sock.connect(place)
        except OSError as failed:
            sock.close()
            error = failed
            continue
        _set_options(sock)
        return sock
    if error is None or isinstance(error, TimeoutError):
        raise too_late(shown, deadline.timeout_s, "connecting")
    raise error


def _set_options(sock: socket.socket) -> None:
    """No waiting for more bytes, and a peer that vanished is noticed by the kernel too."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    names = {"TCP_USER_TIMEOUT": USER_TIMEOUT_MS, "TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    for name, value in names.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _need_shell(shown: str) -> None:
    if sys.platform == "win32":
        raise UsageError(
            f"{shown}: a ProxyCommand cannot be used on Windows.", "Use ProxyJump in ~/.ssh/config instead."
        )


class ProxyProcess:
    """A ProxyCommand: a shell line of the user's own configuration whose stdin and stdout are the connection."""

    def __init__(self, command: str, shown: str) -> None:
        _need_shell(shown)
        self.shown = shown
        self.sock, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        try:
            # OpenSSH runs it the same way; host and user were checked before they were put in.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=self._errors
            )
        except OSError as error:
            self.sock.close()
            self._errors.close()
            raise LinkError(f"The ProxyCommand for {shown} cannot be started: {error.strerror}.", command) from error
        finally:
            theirs.close()

    def failure(self) -> LinkError | None:
        """What it said when it has ended by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(0.2)
            self._errors.seek(0)
            lines = self._errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
            said = lines[-1][:300] if lines else "no message"
            return LinkError(
                f"The ProxyCommand for {self.shown} ended with exit code {code}: {said}.",
                "See ProxyCommand in ~/.ssh/config.",
            )
        return None

    def close(self) -> None:
        """End the process; never raises."""
        self.sock.close()
        for end in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._errors.close()
