"""What runs on the other side of an SSH connection: one command to its end, or a program as a link."""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.errors import EdgeqError, LinkError, LinkTimeout, UsageError
from edgeq.link import ssh_paramiko
from edgeq.link.base import last_line
from edgeq.link.ssh_connect import CLOSE_S, Connection
from edgeq.units import format_bytes

READ_BYTES = 1 << 20
KEPT_STDERR_BYTES = 8 << 10
PARAMIKO_MARGIN_BYTES = 64
SLICE_S = 0.1
LAST_WORDS_S = 1.0
GONE_HINT = "Is the device still up? Run the same command again."


@dataclass(frozen=True)
class Completed:
    """How a remote command ended: `code` as its shell says it, -1 where a signal ended it."""

    code: int
    stdout: bytes
    stderr: bytes


def remote_command(argv: Sequence[str]) -> bytes:
    """The one place where arguments become a command line; the device's shell gives them back verbatim."""
    if not argv:
        raise UsageError("There is no command to run on the device.")
    try:
        line = shlex.join(argv).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UsageError(f"{argv!r} cannot be sent as an argument.", "Use characters that UTF-8 can write.") from error
    if b"\0" in line:
        raise UsageError(f"{argv!r} holds a NUL character, which no argument can.", "Leave it away.")
    return line


def start_channel(connection: Connection, argv: Sequence[str], timeout_s: float) -> Any:
    """A channel in which `argv` runs, without a terminal, so that bytes pass unchanged."""
    command = remote_command(argv)
    channel = connection.open_channel("session", timeout_s=timeout_s)
    with connection.bounded(timeout_s, "starting a program"):
        channel.exec_command(command)
    # paramiko stays 64 bytes below what the other side takes, which makes a third packet of every 64 KiB.
    channel.out_max_packet_size += PARAMIKO_MARGIN_BYTES
    return channel


def complete(connection: Connection, argv: Sequence[str], stdin: bytes, timeout_s: float, max_bytes: int) -> Completed:
    """Run `argv` to its end: `LinkTimeout` when no byte moves for `timeout_s`, `LinkError` above `max_bytes`."""
    channel = start_channel(connection, argv, timeout_s)
    connection.wire.stall_s = timeout_s
    exchange = _Exchange(connection, channel, timeout_s, max_bytes)
    try:
        with ssh_paramiko.translating(connection.shown):
            exchange.send(memoryview(stdin))
            return exchange.finish()
    except EdgeqError as error:
        if connection.wire.stalled and not isinstance(error, LinkTimeout):
            raise exchange.too_late() from error
        raise
    finally:
        close_channel(connection, channel)


def close_channel(connection: Connection, channel: Any) -> None:
    """Close in time, whatever the other side does."""
    connection.wire.stall_s = CLOSE_S
    with contextlib.suppress(Exception):
        channel.close()


class _Wake:
    """Wakes when either output of a channel has bytes or ends.

    The channel's own `fileno` would do, but paramiko may write to its pipe after that was closed, which kills the
    connection or worse: the number may be another file by then.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        """Nothing: what one output clears would be lost for the other."""

    def wait(self, timeout_s: float) -> None:
        self._event.wait(timeout_s)
        self._event.clear()


class _Exchange:
    """Input and both outputs of one command, kept moving together so that none waits for another."""

    def __init__(self, connection: Connection, channel: Any, timeout_s: float, max_bytes: int) -> None:
        self._connection, self._channel = connection, channel
        self._timeout_s, self._max_bytes = timeout_s, max_bytes
        self._out, self._err = bytearray(), bytearray()
        self._moved_at = time.monotonic()

    def too_late(self) -> LinkTimeout:
        return LinkTimeout(
            f"A command on {self._connection.shown} neither took nor gave a byte for {self._timeout_s:g} s.", GONE_HINT
        )

    def send(self, stdin: memoryview) -> None:
        self._channel.settimeout(SLICE_S)
        while stdin and not self._channel.closed:
            self._drain()
            try:
                sent = self._channel.send(stdin)
            except TimeoutError:
                self._wait_on()
                continue
            except OSError:
                if self._channel.closed:  # the command ended without reading all of it
                    return
                raise
            stdin = stdin[sent:]
            self._moved_at = time.monotonic()
        with contextlib.suppress(OSError):
            self._channel.shutdown_write()

    def finish(self) -> Completed:
        wake = _Wake()
        self._channel.in_buffer.set_event(wake)
        self._channel.in_stderr_buffer.set_event(wake)
        ended = False
        while not ended:
            ended = self._channel.eof_received or self._channel.closed
            if not self._drain() and not ended:
                wake.wait(self._wait_on())
        while not self._channel.status_event.wait(self._wait_on()):
            continue
        if not self._connection.transport.is_active() and self._channel.exit_status < 0:
            raise lost(self._connection)
        return Completed(self._channel.exit_status, bytes(self._out), bytes(self._err))

    def _wait_on(self) -> float:
        """Seconds that may still pass without a byte."""
        left = self._moved_at + self._timeout_s - time.monotonic()
        if left <= 0:
            raise self.too_late()
        return left

    def _drain(self) -> bool:
        moved = False
        while self._channel.recv_ready():
            self._out += self._channel.recv(READ_BYTES)
            moved = self._check_size()
        while self._channel.recv_stderr_ready():
            self._err += self._channel.recv_stderr(READ_BYTES)
            moved = self._check_size()
        if moved:
            self._moved_at = time.monotonic()
        return moved

    def _check_size(self) -> bool:
        if len(self._out) + len(self._err) > self._max_bytes:
            raise LinkError(
                f"A command on {self._connection.shown} sent more than {format_bytes(self._max_bytes)}.",
                "That is more than edgeq takes into memory; is it the right device?",
            )
        return True


def lost(connection: Connection) -> LinkError:
    """The error for a connection that ended by itself."""
    error = connection.transport.get_exception()
    if error is None or isinstance(error, EOFError):
        return LinkError(f"{connection.shown} closed the connection.", GONE_HINT)
    translated = ssh_paramiko.translate(error, connection.shown)
    return LinkError(translated.message, translated.hint)


class SshLink:
    """A running remote program as a Link over its stdin and stdout; `stderr` is the end of what it complained about."""

    lossy = False

    def __init__(self, connection: Connection, channel: Any) -> None:
        self.name = connection.shown
        self.stderr = b""
        self._connection, self._channel = connection, channel
        self._closed = False

    @property
    def code(self) -> int | None:
        """How the program ended, -1 for a signal; None while it runs or where nobody knows."""
        known = self._channel.exit_status_ready() and self._connection.transport.is_active()
        return int(self._channel.exit_status) if known or self._channel.exit_status >= 0 else None

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send all of `data`. `LinkTimeout` when no byte is taken for `timeout_s`, `LinkError` when it is gone."""
        self._check_open()
        self._channel.settimeout(timeout_s)
        self._connection.wire.stall_s = timeout_s
        view = memoryview(data)
        try:
            while view:
                sent = self._channel.send(view)
                if not sent:
                    raise self.gone()
                view = view[sent:]
        except TimeoutError as error:
            raise self._stalled(timeout_s) from error
        except (EOFError, OSError, ssh_paramiko.library().SSHException) as error:
            raise (self._stalled(timeout_s) if self._connection.wire.stalled else self.gone()) from error
        # paramiko drops bytes silently once its connection has died.
        if not self._connection.transport.is_active():
            raise self._stalled(timeout_s) if self._connection.wire.stalled else self.gone()

    def receive(self, timeout_s: float) -> bytes:
        """At least one byte. `LinkTimeout` when none comes in `timeout_s`, `LinkError` when the link is gone."""
        self._check_open()
        self._keep_stderr()
        self._channel.settimeout(timeout_s)
        self._connection.wire.stall_s = timeout_s
        try:
            data: bytes = self._channel.recv(READ_BYTES)
        except TimeoutError as error:
            raise LinkTimeout(f"{self.name} sent nothing for {timeout_s:g} s.", GONE_HINT) from error
        except (EOFError, OSError, ssh_paramiko.library().SSHException) as error:
            raise (self._stalled(timeout_s) if self._connection.wire.stalled else self.gone()) from error
        if not data:
            raise self.gone()
        return data

    def gone(self) -> LinkError:
        """Why there are no more bytes: the program ended, with its last words, or the connection was lost."""
        if self._connection.transport.is_active():
            self._channel.status_event.wait(LAST_WORDS_S)
        self._keep_stderr()
        if self.code is None:
            return lost(self._connection)
        how = f"with exit code {self.code}" if self.code >= 0 else "by a signal"
        said = last_line(self.stderr)
        return LinkError(
            f"The program on {self.name} ended {how}" + (f": {said}" if said else "."),
            "Run the same command again; if it ends again, look at the device's log.",
        )

    def close(self) -> None:
        """Free everything; never raises, may be called twice."""
        if not self._closed:
            self._closed = True
            close_channel(self._connection, self._channel)

    def _stalled(self, timeout_s: float) -> LinkTimeout:
        return LinkTimeout(f"{self.name} took no bytes for {timeout_s:g} s.", GONE_HINT)

    def _check_open(self) -> None:
        if self._closed:
            raise LinkError(f"The link to {self.name} is closed.", "Open it again.")

    def _keep_stderr(self) -> None:
        """What a program writes to stderr fills the same window, so it is taken away even where nobody asks for it."""
        while self._channel.recv_stderr_ready():
            self.stderr = (self.stderr + self._channel.recv_stderr(READ_BYTES))[-KEPT_STDERR_BYTES:]
