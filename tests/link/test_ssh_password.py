"""Passwords against a paramiko server, for a real sshd would need a user with a password: right, wrong, typed, none."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.errors import LinkError
from edgeq.link.known_hosts import HostKey, remember
from edgeq.link.ssh import SshSession

paramiko = pytest.importorskip("paramiko")


class _Door(paramiko.ServerInterface):  # type: ignore[misc]
    def __init__(self, methods: str) -> None:
        self.methods, self.seen = methods, list[str]()

    def get_allowed_auths(self, username: str) -> str:
        return self.methods

    def check_auth_none(self, username: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL if self.methods == "none" else paramiko.AUTH_FAILED)

    def check_auth_password(self, username: str, password: str) -> int:
        self.seen.append(password)
        good = username == "pi" and password == "raspberry" and "password" in self.methods.split(",")
        return int(paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED)

    def check_auth_publickey(self, username: str, key: object) -> int:
        self.seen.append("key")
        return int(paramiko.AUTH_PARTIALLY_SUCCESSFUL if self.methods == "publickey" else paramiko.AUTH_FAILED)

    def check_auth_interactive(self, username: str, submethods: str) -> object:
        return paramiko.InteractiveQuery("Sign in", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        self.seen += responses
        return int(paramiko.AUTH_SUCCESSFUL if responses == ["raspberry"] else paramiko.AUTH_FAILED)


class _Server:
    def __init__(self, methods: str) -> None:
        self.door = _Door(methods)
        self._key = paramiko.ECDSAKey.generate()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._transports: list[paramiko.Transport] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        remember(HostKey(f"[127.0.0.1]:{self.port}", self._key.get_name(), self._key.asbytes()))

    @property
    def address(self) -> str:
        return f"ssh://pi@127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            self._transports.append(transport)
            transport.add_server_key(self._key)
            transport.start_server(event=threading.Event(), server=self.door)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(2)
        for transport in self._transports:
            transport.close()
            transport.packetizer.complete_handshake()
            transport.join(2)


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("EDGEQ_SSH_PASSWORD", raising=False)
    made = _Server(getattr(request, "param", "publickey,password"))
    yield made
    made.close()


def test_the_right_password(server: _Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    SshSession(server.address, password="raspberry").close()
    monkeypatch.setenv("EDGEQ_SSH_PASSWORD", "raspberry")
    SshSession(server.address).close()
    assert server.door.seen == ["raspberry", "raspberry"]
    assert "raspberry" not in caplog.text


def test_the_wrong_password(server: _Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LinkError, match="tried the given password") as caught:
        SshSession(server.address, password="hunter2")
    assert "user 'pi'" in caught.value.message and "It accepts: " in caught.value.message and caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint + caplog.text
    assert caught.value.exit_code == 4


def test_a_typed_password_may_be_corrected(server: _Server) -> None:
    typed, prompts = iter(["raspbery", "raspberry"]), list[str]()

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return next(typed)

    SshSession(server.address, ask_password=ask).close()
    assert prompts == [f"Password for pi at {server.address}: "] * 2
    with pytest.raises(LinkError, match="no password"):
        SshSession(server.address, ask_password=lambda _: "")


@pytest.mark.parametrize("server", ["keyboard-interactive"], indirect=True)
def test_keyboard_interactive(server: _Server) -> None:
    SshSession(server.address, password="raspberry").close()
    with pytest.raises(LinkError, match="given password"):
        SshSession(server.address, password="wrong")


@pytest.mark.parametrize("server", ["none"], indirect=True)
def test_a_host_that_wants_nothing(server: _Server) -> None:
    SshSession(server.address, password="raspberry").close()
    assert server.door.seen == []


@pytest.mark.parametrize("server", ["publickey"], indirect=True)
def test_a_password_is_not_sent_where_it_is_not_accepted(server: _Server) -> None:
    with pytest.raises(LinkError, match="It accepts: publickey"):
        SshSession(server.address, password="raspberry")
    assert server.door.seen == []
