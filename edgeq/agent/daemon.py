"""The agent's long-lived half: owns the store, answers on a unix socket, ends when nobody has been there for a while.

`attach` hands its own standard input and output over the socket (SCM_RIGHTS), so that no byte is copied by a proxy;
it then only waits, to keep the SSH channel or the pipe open.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from edgeq.agent.connection import Connection
from edgeq.agent.errors import Ending, Refused
from edgeq.agent.files import replace_link
from edgeq.agent.installed import supervisor
from edgeq.agent.process import archive, program
from edgeq.agent.service import Service
from edgeq.protocol.smp import SmpError

IDLE_S = 20.0
START_TIMEOUT_S = 30.0
TAKE_TIMEOUT_S = 10.0
TAKEN = b"\1"


def attach(root: Path) -> int:
    """Join standard input and output to the daemon, which is started if none runs; returns when the host is gone."""
    channel = join(root, (0, 1))
    for fd in (0, 1):
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
    channel.recv(1)
    return 0


def join(root: Path, streams: tuple[int, int]) -> socket.socket:
    """The channel to a daemon that has taken over `streams` (it reads from the first and answers on the second); it is
    started if none is there. Closing the channel does not end the conversation, closing the streams does."""
    root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + START_TIMEOUT_S
    child: subprocess.Popen[bytes] | None = None
    while True:
        channel = _offer(root, streams)
        if channel is not None:
            return channel
        if time.monotonic() > deadline:
            raise SystemExit(f"edgeq-agent: the daemon did not answer within {START_TIMEOUT_S:g} s; see {root / 'log'}")
        # Where a supervisor is at work, its own agent is about to answer.
        if (child is None or child.poll() is not None) and not supervisor(root):
            if child is not None and child.returncode not in (0, BUSY):
                raise SystemExit(f"edgeq-agent: {_last_line(root / 'log')}")
            with (root / "log").open("ab") as log:
                child = subprocess.Popen(
                    [sys.executable, *program(), "serve", str(root)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    cwd="/",
                )
                # An application may outlive the daemon that it started: its end must not be left to nobody.
                threading.Thread(target=child.wait, daemon=True).start()
        time.sleep(0.02)


def _offer(root: Path, streams: tuple[int, int]) -> socket.socket | None:
    """Hand our streams to the daemon; None where there is none, or one that is about to end and does not take them."""
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.connect(_address(root))
        _check_peer(channel)
        socket.send_fds(channel, [b"\0"], streams)
        channel.settimeout(TAKE_TIMEOUT_S)
        if channel.recv(1) == TAKEN:
            channel.settimeout(None)
            return channel
    except OSError:
        pass
    channel.close()
    return None


BUSY = 75
"""Exit code of a daemon that found another one at work (EX_TEMPFAIL)."""


def serve(root: Path, idle_s: float = IDLE_S) -> int:
    """Be the daemon: exactly one per store, held by a lock that the kernel drops when the process ends."""
    with (root / "lock").open("a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return BUSY
        _trim_log(root / "log")
        try:
            service = Service(root, _own_digest())
        except (Refused, OSError) as error:
            print(error, file=sys.stderr)
            return 1
        server = socket.socket(socket.AF_UNIX)
        address = _address(root)
        Path(address).unlink(missing_ok=True)
        server.bind(address)
        Path(address).chmod(0o600)
        server.listen(16)
        _publish(root)
        try:
            _Server(server, service, idle_s).run()
        finally:
            Path(address).unlink(missing_ok=True)
            server.close()
            service.close()
    return 0


class _Server:
    """Accepts hosts until nobody is there and nothing is done for `idle_s` seconds, or a host asks for a reset."""

    def __init__(self, server: socket.socket, service: Service, idle_s: float) -> None:
        self._server, self._service, self._idle_s = server, service, idle_s
        self._hosts = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._full = False  # It is about to end: whoever comes now waits for the next one.

    def run(self) -> None:
        last_seen = time.monotonic()
        while not self._ending.is_set():
            self._server.settimeout(0.2)
            try:
                channel, _ = self._server.accept()
            except socket.timeout:
                if self._hosts or self._service.busy:
                    last_seen = time.monotonic()
                elif time.monotonic() - last_seen > self._idle_s:
                    return
                continue
            with self._lock:
                self._hosts += 1
            threading.Thread(target=self._serve_host, args=(channel,), daemon=True).start()

    def _serve_host(self, channel: socket.socket) -> None:
        fds: list[int] = []
        try:
            channel.settimeout(10)
            fds = list(socket.recv_fds(channel, 1, 2)[1])
            if len(fds) == 2 and not self._full:
                channel.sendall(TAKEN)
                self._talk(*fds)
        except (OSError, SmpError, Ending):
            pass  # the host went away or broke the stream: it will attach again
        finally:
            for fd in fds:
                os.close(fd)
            channel.close()
            with self._lock:
                self._hosts -= 1

    def _talk(self, source: int, sink: int) -> None:
        connection = Connection(self._service)
        try:
            while True:
                data = os.read(source, 1 << 18)
                if not data:
                    return
                answer = memoryview(connection.feed(data))
                self._full = self._full or connection.reset  # Before the answer, after which the next host may come.
                while answer:
                    answer = answer[os.write(sink, answer) :]
                if connection.reset:
                    self._ending.set()
                    return
        finally:
            connection.close()


def _address(root: Path) -> str:
    """The socket's path, the same by whichever link the folder is reached; where that is too long for the kernel (108
    bytes), one in the runtime or temp folder."""
    root = root.resolve()
    path = str(root / "agent.sock")
    if len(os.fsencode(path)) < 100:
        return path
    short = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return f"{os.environ.get('XDG_RUNTIME_DIR') or '/tmp'}/edgeq-{os.getuid()}-{short}.sock"  # noqa: S108


def _check_peer(channel: socket.socket) -> None:
    """Hand nothing to a daemon of another user: the socket may lie in a folder that others can write to."""
    uid = _peer_uid(channel)
    mine, other = socket.socketpair()
    with mine, other:
        # What the kernel says of ourselves: proot tells os.getuid() another number.
        same = uid == _peer_uid(mine)
    if not same:
        raise SystemExit(f"edgeq-agent: the socket belongs to user {uid}, not to this one")


def _peer_uid(channel: socket.socket) -> int:
    return int(struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])


def _publish(root: Path) -> None:
    """The stable path from which applications import `edgeq.client`: a link to the zipapp that is at work."""
    found = archive()
    if found:
        with contextlib.suppress(OSError):  # A full disk ends no agent.
            replace_link(root / "agent.pyz", str(found))


def _own_digest() -> str:
    found = archive()
    return hashlib.sha256(found.read_bytes()).hexdigest() if found else ""


def _trim_log(log: Path) -> None:
    if log.exists() and log.stat().st_size > 1 << 20:
        os.truncate(log, 0)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:500] if lines else "the daemon ended at once"
