"""Sessions against a real sshd: commands, links, host keys, ways through, and bytes of every kind."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sshd import Sshd, keygen, need_sshd

from edgeq.errors import LinkError, LinkTimeout, UsageError
from edgeq.host import paths
from edgeq.link.ssh import SshSession, fetch_host_key, remember
from edgeq.link.ssh_config import resolve
from edgeq.link.ssh_link import last_line, remote_command

ALL_BYTES = bytes(range(256))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    need_sshd()
    folder = tmp_path_factory.mktemp("sshd")
    with Sshd(folder, host_keys=("ed25519", "ecdsa"), env={"HOME": str(folder)}) as made:
        yield made


@pytest.fixture(scope="module")
def session(server: Sshd) -> Iterator[SshSession]:
    with SshSession(server.address, identity=server.identity, known_hosts=server.known_hosts) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home with nothing in it and no key agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("EDGEQ_SSH_PASSWORD", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


# Commands


def test_run_gives_code_and_both_outputs(session: SshSession) -> None:
    done = session.run(["sh", "-c", "cat; echo oops >&2; exit 7"], stdin=b"in")
    assert (done.code, done.stdout, done.stderr) == (7, b"in", b"oops\n")
    assert session.run(["sh", "-c", "kill -9 $$"]).code == -1
    assert session.run(["no-such-command-here"]).code == 127


def test_run_moves_every_byte_both_ways_at_once(session: SshSession) -> None:
    data = os.urandom(1 << 12) * 2048
    assert session.run(["cat"], stdin=data).stdout == data
    done = session.run(["sh", "-c", "cat >&2; echo end"], stdin=data)
    assert done.stderr == data and done.stdout == b"end\n"


def test_run_where_the_command_reads_nothing(session: SshSession) -> None:
    assert session.run(["true"], stdin=b"x" * (8 << 20)).code == 0


def test_run_has_a_deadline_and_a_bound(session: SshSession) -> None:
    started = time.monotonic()
    with pytest.raises(LinkTimeout, match=r"0\.5 s"):
        session.run(["sleep", "60"], timeout_s=0.5)
    assert time.monotonic() - started < 30
    with pytest.raises(LinkError, match=r"more than 1\.0 MiB"):
        session.run(["cat", "/dev/zero"], max_output_bytes=1 << 20)
    slow = ["sh", "-c", "for i in $(seq 40); do sleep 0.1; echo $i; done"]
    assert session.run(slow, timeout_s=3.5).stdout == b"".join(b"%d\n" % i for i in range(1, 41))


def test_a_session_survives_floods_that_are_cut_off(session: SshSession) -> None:
    """Closing a channel while the other side sends must not reach the connection's own socket."""
    for _ in range(40):
        with pytest.raises(LinkError, match="more than"):
            session.run(["cat", "/dev/zero"], max_output_bytes=1 << 19)
        assert session.run(["echo", "alive"]).stdout == b"alive\n"


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])), min_size=1, max_size=4))
def test_arguments_arrive_verbatim(session: SshSession, argv: list[str]) -> None:
    done = session.run(["printf", r"%s\0", *argv])
    assert done.stdout.decode().split("\0")[:-1] == argv


@pytest.mark.parametrize(
    "hostile",
    [
        "$(touch canary)",
        "`touch canary`",
        "; touch canary",
        "\ntouch canary\n",
        "'; touch canary; '",
        '"; touch canary; "',
        "&& touch canary",
        "| touch canary",
        "> canary",
        "-rf",
        "--",
        "\\",
        "*",
        "~",
        "!!",
        "",
        " ",
        "\x7f\x1b[31m",
        "ünïcode ✓",
        "\udcff\udc80",
    ],
)
def test_hostile_arguments(session: SshSession, server: Sshd, hostile: str) -> None:
    done = session.run(["printf", r"%s\0", hostile])
    assert done.stdout == hostile.encode("utf-8", "surrogateescape") + b"\0"
    assert not (server.folder / "canary").exists()


@pytest.mark.parametrize("argv", [[], ["a\0b"], ["\ud800"]])
def test_what_no_argument_can_hold(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        remote_command(argv)


# Links


def test_a_link_carries_all_bytes(session: SshSession) -> None:
    link = session.start(["cat"])
    link.send(ALL_BYTES, 5)
    got = b""
    while len(got) < 256:
        got += link.receive(5)
    assert got == ALL_BYTES and link.code is None
    with pytest.raises(LinkTimeout, match="sent nothing"):
        link.receive(0.2)
    link.close()
    link.close()
    with pytest.raises(LinkError, match="closed"):
        link.send(b"x", 1)
    with pytest.raises(LinkError, match="closed"):
        link.receive(1)


def test_eight_megabytes_both_ways(session: SshSession) -> None:
    data, size = os.urandom(1 << 16), 8 << 20
    link = session.start(["cat"])
    digest = hashlib.sha256()

    def receive() -> None:
        left = size
        while left > 0:
            piece = link.receive(20)
            left -= len(piece)
            digest.update(piece)

    thread = threading.Thread(target=receive)
    thread.start()
    for _ in range(size // len(data)):
        link.send(data, 20)
    thread.join(30)
    link.close()
    assert digest.digest() == hashlib.sha256(data * (size // len(data))).digest()


def test_a_program_that_dies_leaves_its_last_words(session: SshSession) -> None:
    link = session.start(["sh", "-c", "read x; echo first >&2; echo 'cannot go on' >&2; exit 3"])
    link.send(b"go\n", 5)
    with pytest.raises(LinkError, match="exit code 3: cannot go on") as caught:
        link.receive(5)
    assert not isinstance(caught.value, LinkTimeout) and caught.value.hint and link.code == 3
    with pytest.raises(LinkError, match="exit code 3"):
        link.send(b"more", 5)
    assert session.run(["echo", "still there"]).stdout == b"still there\n"
    killed = session.start(["sh", "-c", "kill -9 $$"])
    with pytest.raises(LinkError, match="by a signal"):
        killed.receive(5)


def test_much_stderr_does_not_block_stdout(session: SshSession) -> None:
    script = "head -c 3000000 /dev/zero >&2; echo one; read x; head -c 12000000 /dev/zero >&2; echo two"
    link = session.start(["sh", "-c", script])
    assert link.receive(10) == b"one\n"
    link.send(b"\n", 5)
    got = b""
    deadline = time.monotonic() + 20
    while not got and time.monotonic() < deadline:
        try:
            got = link.receive(0.5)
        except LinkTimeout:
            continue
    assert got == b"two\n" and len(link.stderr) <= 8 << 10
    link.close()


def test_several_links_at_once(session: SshSession) -> None:
    links = [session.start(["cat"]) for _ in range(4)]
    for number, link in enumerate(links):
        link.send(b"%d" % number, 5)
    assert [link.receive(5) for link in links] == [b"0", b"1", b"2", b"3"]
    for link in links:
        link.close()


def test_last_line_is_printable_and_bounded() -> None:
    assert last_line(b"") == "" and last_line(b"a\n\xff\x1b[1mb \n\n") == "\ufffd?[1mb"
    assert len(last_line(b"x" * 5000)) == 300


# Host keys


def test_unknown_host_key(server: Sshd, home: Path) -> None:
    with pytest.raises(LinkError, match="is not known") as caught:
        SshSession(server.address, identity=server.identity)
    assert f"edgeq trust {server.address}" in caught.value.hint and "SHA256:" in caught.value.hint


def test_trust_then_connect(server: Sshd, home: Path) -> None:
    key = fetch_host_key(server.address)
    told = subprocess.run(["ssh-keygen", "-lf", f"{server.keys[0]}.pub"], check=True, capture_output=True, text=True)
    assert key.fingerprint in told.stdout and key.type == "ssh-ed25519"
    assert remember(key) == paths.home() / "known_hosts"
    with SshSession(server.address, identity=server.identity) as session:
        assert session.run(["echo", "hi"]).stdout == b"hi\n"


def test_changed_host_key_names_file_and_line(server: Sshd, home: Path) -> None:
    other = keygen(home / "other")
    known = home / ".ssh" / "known_hosts"
    known.write_text("# comment\n" + server.line(other))
    with pytest.raises(LinkError, match="has changed") as caught:
        SshSession(server.address, identity=server.identity)
    assert f"{known}:2" in caught.value.message and caught.value.exit_code == 4
    with pytest.raises(LinkError, match="already holds"):
        remember(fetch_host_key(server.address), path=known)


def test_revoked_host_key(server: Sshd, home: Path) -> None:
    (home / ".ssh" / "known_hosts").write_text(server.line(server.keys[0]))
    (home / ".ssh" / "known_hosts2").write_text("@revoked * " + server.line(server.keys[0]).partition(" ")[2])
    with pytest.raises(LinkError, match="is revoked"):
        SshSession(server.address, identity=server.identity)


def test_hashed_host_name(server: Sshd, home: Path) -> None:
    known = home / ".ssh" / "known_hosts"
    shutil.copy(server.known_hosts, known)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    SshSession(server.address, identity=server.identity).close()


def test_the_known_type_is_asked_for(server: Sshd, home: Path) -> None:
    """ed25519 comes first by default; where only the ECDSA key is known, that one is shown and accepted."""
    (home / ".ssh" / "known_hosts").write_text(server.line(server.keys[1]))
    assert fetch_host_key(server.address).type == "ecdsa-sha2-nistp256"
    SshSession(server.address, identity=server.identity).close()


# Keys and configuration


def test_wrong_key(server: Sshd, home: Path) -> None:
    wrong = keygen(home / "wrong")
    with pytest.raises(LinkError, match="did not let user") as caught:
        SshSession(server.address, identity=wrong, known_hosts=server.known_hosts)
    assert str(wrong) in caught.value.message and "publickey" in caught.value.message and caught.value.hint
    with pytest.raises(LinkError, match="no agent key, no key file and no password"):
        SshSession(server.address, known_hosts=server.known_hosts)


def test_a_file_that_is_no_key(server: Sshd, home: Path) -> None:
    (home / "text").write_text("not a key")
    with pytest.raises(UsageError, match="cannot be used as a private key"):
        SshSession(server.address, identity=home / "text", known_hosts=server.known_hosts)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_default_keys_and_passphrases(server: Sshd, home: Path, kind: str) -> None:
    key = keygen(home / ".ssh" / f"id_{kind}", kind, "open sesame")
    authorized = server.folder / "authorized_keys"
    before = authorized.read_text()
    authorized.write_text(before + Path(f"{key}.pub").read_text())
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "open sesame"

    try:
        SshSession(server.address, known_hosts=server.known_hosts, ask_password=ask).close()
        assert asked == [f"Passphrase for key {key}: "]
        with pytest.raises(LinkError, match="has a passphrase"):
            SshSession(server.address, known_hosts=server.known_hosts)
        with pytest.raises(UsageError, match="cannot be used"):
            SshSession(server.address, known_hosts=server.known_hosts, ask_password=lambda _: "wrong")
    finally:
        authorized.write_text(before)


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="ssh-agent is not installed")
def test_the_agents_keys(server: Sshd, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sock = home / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        until(sock.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        others = [keygen(home / f"other{number}") for number in range(7)]
        for key in (*others, server.identity):
            subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True)
        # Eight keys are more than sshd's MaxAuthTries: the named one has to come first.
        with pytest.raises(LinkError, match=r"closed the connection while signing in \(tried: agent key other0"):
            SshSession(server.address, known_hosts=server.known_hosts)
        named = home / "named"
        shutil.copy(f"{server.identity}.pub", f"{named}.pub")
        config = home / "config"
        config.write_text(f"IdentityFile {named}\nIdentitiesOnly yes\n")
        SshSession(server.address, known_hosts=server.known_hosts, config=config).close()
    finally:
        agent.terminate()
        agent.wait(5)


def test_an_agent_that_hangs_is_passed_over(server: Sshd, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(home / "mute"))
        mute.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "mute"))
        monkeypatch.setattr("edgeq.link.ssh_paramiko.AGENT_LIST_S", 0.3)
        SshSession(server.address, identity=server.identity, known_hosts=server.known_hosts).close()


def test_configured_host(server: Sshd, home: Path) -> None:
    shutil.copy(server.known_hosts, home / "kh")
    (home / ".ssh" / "config").write_text(
        f"Host board\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n"
        f" IdentityFile {server.identity}\n UserKnownHostsFile {home / 'kh'}\n"
    )
    with SshSession("ssh://board") as session:
        assert session.run(["echo", "hi"]).stdout == b"hi\n"
    target = resolve("ssh://board")
    (home / ".ssh" / "config").unlink()
    with SshSession(target) as session:
        assert session.name == "ssh://board"
        assert session.run(["echo", "hi"]).stdout == b"hi\n"


@pytest.mark.parametrize("way", ["jump", "command"])
def test_ways_through(server: Sshd, home: Path, tmp_path_factory: pytest.TempPathFactory, way: str) -> None:
    """Through a second sshd, by ProxyJump and by a ProxyCommand; the inner host key is what is checked."""
    with Sshd(tmp_path_factory.mktemp("gate")) as gate:
        shutil.copy(server.known_hosts, home / "kh")
        (home / "kh").write_text((home / "kh").read_text() + gate.known_hosts.read_text())
        command = (
            f"ssh -F none -q -W %h:%p -i {gate.identity} -o UserKnownHostsFile={gate.known_hosts} "
            f"-p {gate.port} {gate.user}@127.0.0.1"
        )
        through = f"ProxyJump {gate.user}@gate:{gate.port}" if way == "jump" else f"ProxyCommand {command}"
        (home / ".ssh" / "config").write_text(
            f"Host gate\n HostName 127.0.0.1\n IdentityFile {gate.identity}\n"
            f"Host board\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n"
            f" IdentityFile {server.identity}\n {through}\nHost *\n UserKnownHostsFile {home / 'kh'}\n"
        )
        if way == "jump":
            # The two share an address here, which would read as a jump to itself.
            config = home / ".ssh" / "config"
            config.write_text(
                config.read_text().replace("Host board\n HostName 127.0.0.1", "Host board\n HostName localhost")
            )
            (home / "kh").write_text(
                (home / "kh").read_text() + server.line(server.keys[0], f"[localhost]:{server.port}")
            )
        with SshSession("ssh://board") as session:
            data = os.urandom(300_000)
            assert session.run(["cat"], stdin=data).stdout == data
            assert gate.children()
        until(lambda: not gate.children())


def test_a_proxy_command_that_fails(server: Sshd, home: Path) -> None:
    (home / ".ssh" / "config").write_text("Host board\n ProxyCommand sh -c 'echo no way >&2; exit 5'\n")
    with pytest.raises(LinkError, match="exit code 5: no way"):
        SshSession("ssh://board", identity=server.identity)
    (home / ".ssh" / "config").write_text("Host board\n ProxyCommand sleep 60\n")
    started = time.monotonic()
    with pytest.raises(LinkTimeout):
        SshSession("ssh://board", identity=server.identity, timeout_s=0.5)
    assert time.monotonic() - started < 30


def test_nobody_there(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(LinkTimeout, match=r"within 0\.5 s"):
            SshSession(f"ssh://127.0.0.1:{port}", timeout_s=0.5)
        assert time.monotonic() - started < 10
    with pytest.raises(LinkError, match="refused the connection"):
        SshSession(f"ssh://127.0.0.1:{port}")
    with pytest.raises(LinkError, match="was not found"):
        SshSession("ssh://no-such-host.invalid")


def test_no_threads_are_left(server: Sshd) -> None:
    before = threading.active_count()
    for _ in range(3):
        with SshSession(server.address, identity=server.identity, known_hosts=server.known_hosts) as session:
            session.start(["cat"])
    until(lambda: threading.active_count() <= before)


def test_importing_it_does_not_import_paramiko() -> None:
    code = "import sys, edgeq.link.ssh, edgeq.device.bringup; sys.exit('paramiko' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
