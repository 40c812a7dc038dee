"""Bringing up the agent over a real sshd: there, not there, half there, and every way of not being up to it."""

from __future__ import annotations

import io
import os
import pwd
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "link"))
from sshd import Sshd, need_sshd

from edgeq.device import bringup
from edgeq.device.bringup import agent_name, bring_up, parse_probe, require
from edgeq.errors import DeviceError, LinkError
from edgeq.link.ssh import SshSession
from edgeq.protocol.status import Status

ECHO = """
import os, sys
assert sys.argv[1:] == ["attach"], sys.argv
while True:
    data = os.read(0, 65536)
    if not data:
        break
    os.write(1, data)
"""


def zipapp(program: str) -> bytes:
    """A minimal agent: one file that python3 runs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), program)
    return out.getvalue()


AGENT = zipapp(ECHO)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    need_sshd()
    folder = tmp_path_factory.mktemp("sshd")
    with Sshd(folder, env={"HOME": str(folder)}) as made:
        yield made


@pytest.fixture
def store(server: Sshd) -> Iterator[Path]:
    """The device's folder, empty at the start of each test."""
    folder = server.folder / ".local" / "share" / "edgeq"
    shutil.rmtree(folder.parent, ignore_errors=True)
    yield folder


@pytest.fixture
def session(server: Sshd) -> Iterator[SshSession]:
    with SshSession(server.address, identity=server.identity, known_hosts=server.known_hosts) as made:
        yield made


def device(folder: Path, env: dict[str, str]) -> Sshd:
    need_sshd()
    return Sshd(folder, env={"HOME": str(folder), **env})


def signed_in(server: Sshd) -> SshSession:
    return SshSession(server.address, identity=server.identity, known_hosts=server.known_hosts)


def echoes(session: SshSession, agent: bytes = AGENT) -> list[str]:
    """Bring up, send every byte value through, and return the progress lines."""
    lines: list[str] = []
    link = bring_up(session, agent, progress=lines.append)
    data = bytes(range(256)) * 40
    link.send(data, 5)
    got = b""
    while len(got) < len(data):
        got += link.receive(10)
    assert got == data
    link.close()
    return lines


def test_pushed_once_then_attached(session: SshSession, store: Path) -> None:
    lines = echoes(session)
    assert len(lines) == 2 and "pushing the agent" in lines[1]
    assert [item.name for item in store.iterdir()] == [agent_name(AGENT)]
    assert (store / agent_name(AGENT)).read_bytes() == AGENT
    assert echoes(session) == []


def test_an_agent_that_is_there_costs_one_command(
    session: SshSession, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    echoes(session)
    monkeypatch.setattr(session, "run", lambda *_, **__: pytest.fail("a second round trip"))
    assert echoes(session) == []


def test_a_truncated_agent_is_replaced(session: SshSession, store: Path) -> None:
    store.mkdir(parents=True)
    (store / agent_name(AGENT)).write_bytes(AGENT[:100])
    assert len(echoes(session)) == 2
    assert (store / agent_name(AGENT)).read_bytes() == AGENT


def test_what_arrives_damaged_never_gets_its_name(
    session: SshSession, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = session.run
    monkeypatch.setattr(session, "run", lambda argv, stdin=b"", **more: run(argv, stdin=stdin[:-1], **more))
    with pytest.raises(DeviceError, match="what arrived is not what was sent"):
        bring_up(session, AGENT)
    assert list(store.iterdir()) == []


def test_two_at_once(server: Sshd, store: Path) -> None:
    failed: list[BaseException] = []

    def one() -> None:
        try:
            with signed_in(server) as session:
                echoes(session)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed and [item.name for item in store.iterdir()] == [agent_name(AGENT)]


def test_a_talkative_login_shell(tmp_path: Path) -> None:
    if Path(pwd.getpwuid(os.getuid()).pw_shell).name != "bash":
        pytest.skip("the user's login shell is not bash, which reads .bashrc under sshd")
    with device(tmp_path / "d", {}) as server, signed_in(server) as session:
        (server.folder / ".bashrc").write_text("echo welcome; echo machine=lies\n")
        echoes(session)
        assert echoes(session) == []


def test_an_agent_that_dies_leaves_its_last_line(session: SshSession, store: Path) -> None:
    link = bring_up(session, zipapp("import sys; sys.exit('no runtime here')"))
    with pytest.raises(LinkError, match="exit code 1: no runtime here"):
        link.receive(10)
    link.close()


def tools(folder: Path, without: str = "") -> str:
    """A PATH that holds what a small device has."""
    folder.mkdir(parents=True)
    for name in ("sh", "bash", "uname", "df", "tail", "mkdir", "touch", "rm", "cat", "mv", "wc", "python3"):
        found = sys.executable if name == "python3" else shutil.which(name)
        if found and name != without:
            (folder / name).symlink_to(found)
    return str(folder)


def test_no_python(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "python3")
    with device(tmp_path / "d", {"PATH": path}) as server, signed_in(server) as session:
        with pytest.raises(DeviceError) as caught:
            bring_up(session, AGENT)
        assert caught.value.message == f"The device at {server.address} has no python3."
        assert caught.value.hint == "sudo apt install python3 on the device" and caught.value.exit_code == 5
        store = server.folder / ".local" / "share" / "edgeq"
        (store / agent_name(AGENT)).write_bytes(AGENT)
        with pytest.raises(DeviceError, match="has no python3"):
            bring_up(session, AGENT)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 3 7", r"has Python 3\.7, which is too old"),
        ("echo libc.so.6 is missing >&2; exit 1", r"does not run: libc\.so\.6 is missing"),
    ],
)
def test_a_python_that_will_not_do(tmp_path: Path, script: str, said: str) -> None:
    path = tools(tmp_path / "bin", "python3")
    fake = tmp_path / "bin" / "python3"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    with device(tmp_path / "d", {"PATH": path}) as server, signed_in(server) as session:
        with pytest.raises(DeviceError, match=said) as caught:
            bring_up(session, AGENT)
        assert caught.value.hint and caught.value.status == Status.UNSUPPORTED


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with device(tmp_path / "d", {"XDG_DATA_HOME": str(tmp_path / "file")}) as server, signed_in(server) as session:
        with pytest.raises(DeviceError, match=r"cannot be written: .*Not a directory") as caught:
            bring_up(session, AGENT)
        assert caught.value.status == Status.IO and caught.value.hint


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "edgeq", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_read_only_file_system(tmp_path: Path, tiny: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)
    with (
        device(tmp_path / "d", {"XDG_DATA_HOME": str(tiny)}) as server,
        signed_in(server) as session,
        pytest.raises(DeviceError, match=r"cannot be written: .*Read-only file system"),
    ):
        bring_up(session, AGENT)


def test_a_full_disk(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with device(tmp_path / "d", {"XDG_DATA_HOME": str(tiny)}) as server, signed_in(server) as session:
        with pytest.raises(DeviceError, match=r"has 6\d\.\d KiB free, and the agent needs") as caught:
            bring_up(session, AGENT)
        assert caught.value.status == Status.NO_SPACE and caught.value.hint
        # The space may also go between the look and the push.
        monkeypatch.setattr(bringup, "require", lambda *_: None)
        with pytest.raises(DeviceError, match="has no room"):
            bring_up(session, os.urandom(200_000))
        assert list((tiny / "edgeq").iterdir()) == []


PROBED = """
Welcome to Raspberry Pi OS, a=b
machine=aarch64
python=3 11
dir=/home/pi/.local/share/edgeq
refusal=
df=/dev/mmcblk0p2  30358772 7263244 21805048  25% /
"""


def test_reading_a_probe() -> None:
    probe = parse_probe(PROBED)
    assert (probe.machine, probe.python, probe.folder) == ("aarch64", (3, 11), "/home/pi/.local/share/edgeq")
    assert probe.refusal == "" and probe.free_bytes == 21805048 * 1024
    require(probe, "ssh://pi", 1000)


@pytest.mark.parametrize(
    ("line", "free"),
    [
        ("df=//nas/my share 1000 900 100 90% /mnt/my share", 100 * 1024),
        ("df=tmpfs 64 80 -16 125% /x", 0),
        ("df=df: /x: No such file or directory", None),
        ("df=", None),
        ("", None),
    ],
)
def test_free_space_as_df_says_it(line: str, free: int | None) -> None:
    assert parse_probe(line).free_bytes == free


@pytest.mark.parametrize("text", ["", "nonsense", "python=3\n", "python=Traceback", "=\n==\n"])
def test_a_probe_that_makes_no_sense(text: str) -> None:
    with pytest.raises(DeviceError):
        require(parse_probe(text), "ssh://pi", 1000)


def test_scripts_pass_any_login_shell() -> None:
    for script in (bringup.ATTACH, bringup.PROBE, bringup.PUSH, bringup.CHECK):
        assert not set(script) & set("\n\\!")
        if script is not bringup.CHECK:
            assert subprocess.run(["sh", "-n", "-c", script], check=False).returncode == 0
