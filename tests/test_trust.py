"""Host keys of a lab: real sshds show theirs, a list says what they must be, and only what agrees is kept."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd import Sshd, need_sshd

from edgeq.errors import EdgeqError, LinkError, UsageError
from edgeq.host.parallel import FAILED
from edgeq.link.known_hosts import own_file, read_expected, read_known_hosts
from edgeq.link.ssh import SshSession
from edgeq.trust import TRUSTED, Compared, trust_listed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    need_sshd()
    with Sshd(tmp_path_factory.mktemp("sshd"), host_keys=("rsa", "ed25519")) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def print_of(key: Path) -> str:
    told = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], check=True, capture_output=True, text=True).stdout
    return told.split()[1]


def trust(path: Path, *lines: str, replace: bool = False, deadline_s: float = 20.0) -> list[Compared]:
    path.write_text("".join(line.rstrip("\n") + "\n" for line in lines))
    return trust_listed(read_expected(path), path, replace=replace, deadline_s=deadline_s)


@pytest.mark.parametrize("kind", [0, 1])
def test_the_type_of_key_that_the_list_has_is_asked_for(tmp_path: Path, server: Sshd, kind: int) -> None:
    (told,) = trust(tmp_path / "list", server.line(server.keys[kind]))
    assert (told.host, told.state, told.error) == (f"[127.0.0.1]:{server.port}", TRUSTED, None)
    assert told.key and told.key.fingerprint == print_of(server.keys[kind])
    assert len(read_known_hosts([own_file()])) == 1
    with SshSession(server.address, identity=server.identity) as session:
        assert session.run(["true"]).code == 0


def test_by_fingerprint(tmp_path: Path, server: Sshd) -> None:
    name = f"[127.0.0.1]:{server.port}"
    lines = [f"{name} {print_of(key)}" for key in server.keys]
    assert [item.state for item in trust(tmp_path / "list", *lines)] == [TRUSTED]
    before = own_file().read_bytes()
    assert [item.state for item in trust(tmp_path / "list", *lines)] == [TRUSTED]
    assert own_file().read_bytes() == before


def test_what_differs_or_does_not_answer_is_named_and_the_rest_is_kept(tmp_path: Path, server: Sshd) -> None:
    good = f"[127.0.0.1]:{server.port}"
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = f"[127.0.0.1]:{mute.getsockname()[1]}"
        other = server.at(server.port).replace("127.0.0.1", "localhost").rpartition("@")[2].partition(":")
        stranger = f"[{other[0]}]:{other[2]}"
        found = trust(
            tmp_path / "list",
            *(f"{name} SHA256:{'A' * 43}" for name in (silent, stranger, "[127.0.0.1]:1")),
            server.line(server.keys[0]),
            deadline_s=10,
        )
    assert [(item.host, item.state) for item in found] == [
        (silent, FAILED),
        (stranger, FAILED),
        ("[127.0.0.1]:1", FAILED),
        (good, TRUSTED),
    ]
    mismatch = found[1].error
    assert isinstance(mismatch, UsageError)
    assert f"{tmp_path / 'list'}:2 says SHA256:AAA" in mismatch.message and "shows the" in mismatch.message
    assert isinstance(found[0].error, LinkError) and isinstance(found[2].error, LinkError)
    assert [entry.patterns for entry in read_known_hosts([own_file()])] == [(good,)]


def test_a_key_that_was_kept_before_is_replaced_only_when_asked(tmp_path: Path, server: Sshd) -> None:
    own_file().parent.mkdir(parents=True, exist_ok=True)
    own_file().write_text(server.line(server.keys[0]))
    (told,) = trust(tmp_path / "list", server.line(server.keys[1]))
    assert told.state == FAILED and told.error and "already holds a different key" in told.error.message
    (told,) = trust(tmp_path / "list", server.line(server.keys[1]), replace=True)
    assert told.state == TRUSTED
    assert own_file().read_text() == server.line(server.keys[1])


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EdgeqError, match="no file"):
        read_expected(tmp_path / "absent")
