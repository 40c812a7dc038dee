"""A link that breaks: frozen, reset, closed or slow at many places, it ends in time with one clear error."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sshd import Sshd, need_sshd

from edgeq.errors import LinkError, LinkTimeout
from edgeq.link.proxy import Faults, Proxy
from edgeq.link.ssh import SshSession
from edgeq.link.ssh_wire import Deadline

LIMIT_S, KEYS = 0.5, "exchanging keys"
SPARE_S = 5.0
"""What a busy machine may take beside; what hangs takes far longer."""
OFFSETS = (0, 1, 60, 700, 1500, 2200, 2800, 3300, 4000, 6000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    need_sshd()
    folder = tmp_path_factory.mktemp("sshd")
    with Sshd(folder, env={"HOME": str(folder)}) as made:
        yield made


def connect(server: Sshd, proxy: Proxy, timeout_s: float = 10.0) -> SshSession:
    known = server.known_at(proxy.port)
    return SshSession(server.at(proxy.port), identity=server.identity, known_hosts=known, timeout_s=timeout_s)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


@pytest.mark.parametrize("way", ["proxy", "sigstop"])
def test_a_frozen_peer(server: Sshd, way: str) -> None:
    """Receive, send, run, start and close each end in time, whichever comes first."""
    for act in ("receive", "send", "run", "start", "open"):
        with Proxy("127.0.0.1", server.port) as proxy:
            session = connect(server, proxy)
            link = session.start(["cat"])
            session._timeout_s = LIMIT_S
            link.send(b"x", 5)
            assert link.receive(5) == b"x"
            if way == "proxy":
                proxy.freeze()
            else:
                server.signal_sessions(signal.SIGSTOP)
            try:
                with within(LIMIT_S * 2 + SPARE_S), pytest.raises(LinkTimeout) as caught:
                    if act == "receive":
                        link.receive(LIMIT_S)
                    elif act == "send":
                        link.send(bytes(64 << 20), LIMIT_S)
                    elif act == "run":
                        session.run(["cat"], stdin=bytes(16 << 20), timeout_s=LIMIT_S)
                    else:
                        session.start(["cat"])
                assert caught.value.message and caught.value.hint
                with within(5 + SPARE_S):
                    link.close()
                    session.close()
            finally:
                server.signal_sessions(signal.SIGCONT)


def test_a_frozen_peer_while_connecting(server: Sshd) -> None:
    with Proxy("127.0.0.1", server.port) as proxy:
        proxy.freeze()
        with within(LIMIT_S * 2 + SPARE_S), pytest.raises(LinkTimeout, match="while exchanging keys"):
            connect(server, proxy, LIMIT_S)


@pytest.mark.parametrize("at", ["keys", "channel"])
def test_a_machine_that_slept_over_every_limit_says_so(server: Sshd, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Our limit is the shorter one; where paramiko's is seen first, all the same, the peer was too slow."""
    with Proxy("127.0.0.1", server.port) as proxy:
        if at == "keys":
            left = Deadline.left
            waits = iter([20.0])
            more = lambda given: next(waits, 0.0) if KEYS in given else 0.0  # noqa: E731
            monkeypatch.setattr(Deadline, "left", lambda *given: left(*given) + more(given))
            proxy.freeze()
            with pytest.raises(LinkTimeout, match=KEYS):
                connect(server, proxy, LIMIT_S)
            return
        with connect(server, proxy) as session:
            session._timeout_s = LIMIT_S
            monkeypatch.setattr(threading.Timer, "run", lambda _: None)
            proxy.freeze()
            with pytest.raises(LinkTimeout, match="opening a channel"):
                session.start(["cat"])


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("mode", ["close_at", "reset_at", "freeze_at"])
def test_every_offset(server: Sshd, mode: str, direction: str) -> None:
    """Whatever byte it breaks at: a `LinkError`, no hang above twice the deadline, and what arrived is right."""
    for offset in OFFSETS:
        faults = Faults(**{mode: offset}) if offset or mode == "freeze_at" else Faults(**{mode: 5})
        arguments = {direction: faults}
        with Proxy("127.0.0.1", server.port, **arguments) as proxy, within(LIMIT_S * 6 + SPARE_S):
            session = None
            try:
                session = connect(server, proxy, LIMIT_S)
                done = session.run(["cat"], stdin=b"y" * 2000, timeout_s=LIMIT_S)
                assert done.stdout == b"y" * 2000 and offset > 2000
            except LinkError as error:
                assert error.message.endswith(".") and error.hint and "paramiko" not in error.message
                assert isinstance(error, LinkTimeout) or mode != "freeze_at"
            finally:
                if session:
                    session.close()


def test_the_connection_is_killed_midway(server: Sshd) -> None:
    session = SshSession(server.address, identity=server.identity, known_hosts=server.known_hosts)
    link = session.start(["cat"])
    link.send(b"x", 5)
    assert link.receive(5) == b"x"
    server.signal_sessions(signal.SIGKILL)
    with within(10), pytest.raises(LinkError, match=r"closed the connection|was lost") as caught:
        link.receive(20)
    assert not isinstance(caught.value, LinkTimeout)
    with within(10), pytest.raises(LinkError):
        link.send(bytes(1 << 20), 20)
    with within(10), pytest.raises(LinkError):
        session.run(["true"])
    with within(10), pytest.raises(LinkError):
        session.start(["true"])
    session.close()
    with SshSession(server.address, identity=server.identity, known_hosts=server.known_hosts) as again:
        assert again.run(["echo", "back"]).stdout == b"back\n"


def test_killed_while_somebody_waits(server: Sshd) -> None:
    with Proxy("127.0.0.1", server.port) as proxy, connect(server, proxy) as session:
        link = session.start(["cat"])
        timer = threading.Timer(0.3, proxy.reset)
        timer.start()
        with within(10), pytest.raises(LinkError) as caught:
            link.receive(20)
        assert not isinstance(caught.value, LinkTimeout)
        timer.join()


def test_a_slow_link_is_not_a_dead_one(server: Sshd) -> None:
    """800 KB at 200 KB/s take longer than the deadline, which counts from the last byte that moved."""
    with Proxy("127.0.0.1", server.port, up=Faults(bytes_per_s=200_000)) as proxy, connect(server, proxy) as session:
        data = os.urandom(800_000)
        started = time.monotonic()
        assert session.run(["cat"], stdin=data, timeout_s=3.5).stdout == data
        assert time.monotonic() - started > 3.5


def test_nothing_secret_goes_to_an_unknown_host(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_SSH_PASSWORD", "s3cret")
    sent: list[str] = []
    monkeypatch.setattr("edgeq.link.ssh_auth.sign_in", lambda *_: sent.append("sign-in"))
    with pytest.raises(LinkError, match="not known"):
        SshSession(server.address, identity=server.identity, known_hosts=tmp_path / "empty")
    assert not sent
