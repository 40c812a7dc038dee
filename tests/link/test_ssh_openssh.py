"""The installed `ssh` as the carrier: the same host, keys and rules, and never a question."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sshd import Sshd, keygen, need_sshd

from edgeq.errors import LinkError
from edgeq.link.ssh_address import Address
from edgeq.link.ssh_config import SshTarget, resolve
from edgeq.link.ssh_openssh import PROGRAM_VARIABLE, Openssh, openssh, options

ECHO = ["sh", "-c", 'printf %s "$1"; cat', "sh", 'it\'s "$HOME" \\ here!']


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    need_sshd()
    with Sshd(tmp_path_factory.mktemp("sshd"), host_keys=("ed25519", "ecdsa")) as made:
        yield made


@pytest.fixture
def target(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshTarget:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = tmp_path / "100%d of us"
    folder.mkdir()
    identity, known_hosts = (shutil.copy2(path, folder) for path in (server.identity, server.known_hosts))
    return resolve(server.address, identity=Path(identity), known_hosts=Path(known_hosts), config=Path("/none"))


def way(target: SshTarget) -> Openssh:
    found = openssh(target)
    assert found
    return found


def refused(target: SshTarget) -> str:
    """What `ssh` says on its stderr when it does not get through."""
    link = way(target).start(["true"])
    with pytest.raises(LinkError, match="closed the connection"):
        link.receive(20)
    link.close()
    assert link.code is None
    return link.stderr.decode()


def test_arguments_arrive_verbatim_and_bytes_pass(target: SshTarget) -> None:
    link = way(target).start(ECHO)
    sent = bytes(range(256)) * 1000
    link.send(sent, 10)
    expected, found = ECHO[-1].encode() + sent, b""
    while len(found) < len(expected):
        found += link.receive(10)
    assert found == expected
    link.close()
    assert link.code == 0


def test_how_a_program_ended(target: SshTarget) -> None:
    link = way(target).start(["sh", "-c", "echo no such agent >&2; exit 44"])
    with pytest.raises(LinkError, match=f"The program behind {target.shown} ended with exit code 44: no such agent"):
        link.receive(10)
    assert (link.code, link.stderr) == (44, b"no such agent\n")
    link.close()


@pytest.mark.parametrize("known", [None, "other"])
def test_only_a_known_host_key_gets_through(target: SshTarget, server: Sshd, tmp_path: Path, known: str | None) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(server.line(keygen(tmp_path / known)) if known else "")
    said = refused(replace(target, known_hosts=(file,)))
    assert "verification failed" in said
    assert not known or "REMOTE HOST IDENTIFICATION HAS CHANGED" in said
    assert file.read_text().count("\n") == bool(known)


def test_one_known_type_of_key_is_enough(target: SshTarget, server: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(server.line(server.keys[1]))
    link = way(replace(target, known_hosts=(tmp_path / "none", file))).start(["echo", "here"])
    assert link.receive(10) == b"here\n"
    link.close()


def test_a_name_of_the_key_of_its_own(target: SshTarget, server: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(server.line(server.keys[0]).replace(f"[127.0.0.1]:{server.port}", "board-7"))
    assert "verification failed" in refused(replace(target, known_hosts=(file,)))
    link = way(replace(target, known_hosts=(file,), key_name="board-7")).start(["echo", "here"])
    assert link.receive(10) == b"here\n"
    link.close()


def test_nothing_is_asked(target: SshTarget, tmp_path: Path) -> None:
    locked = keygen(tmp_path / "locked", passphrase="secret")
    assert "Permission denied" in refused(replace(target, identities=(locked,)))
    assert "Permission denied" in refused(replace(target, identities=()))


def test_where_it_is_not_the_way(target: SshTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    assert openssh(replace(target, proxy_jump=(Address("jump"),))) is None
    assert openssh(replace(target, proxy_command="nc %h %p")) is None
    assert openssh(replace(target, identities=(Path('/a"b'),))) is None
    assert openssh(replace(target, known_hosts=(Path("/${HOME}/x"),))) is None
    monkeypatch.setenv(PROGRAM_VARIABLE, "")
    assert openssh(target) is None
    monkeypatch.setenv(PROGRAM_VARIABLE, "/no/such/ssh")
    assert openssh(target) is None
    monkeypatch.delenv(PROGRAM_VARIABLE)
    assert openssh(target)
    monkeypatch.setenv("EDGEQ_SSH_PASSWORD", "secret")
    assert openssh(target) is None


def test_ssh_understands_every_option_as_meant(target: SshTarget, server: Sshd) -> None:
    need_sshd()
    command = ["ssh", "-G", *options(target), "--", target.host]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    assert (said["user"], said["port"], said["hostname"]) == (target.user, str(target.port), target.host)
    assert said["stricthostkeychecking"] in {"true", "yes"}
    assert (said["batchmode"], said["identitiesonly"], said["forwardagent"]) == ("yes", "yes", "no")
    assert said["hostkeyalias"] == target.key_name
