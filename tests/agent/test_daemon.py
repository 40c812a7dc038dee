"""The daemon: one per store, joined by many, renewed without a gap."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgeq.agent import daemon
from edgeq.agent.service import Service
from edgeq.device.agentfile import agent_path
from edgeq.device.device import Device
from edgeq.link.program import ProgramLink
from edgeq.protocol import smp
from edgeq.protocol.smp import Message


def join(root: Path) -> Device:
    return Device(ProgramLink([sys.executable, str(agent_path()), "attach", str(root)], "local:"), "local:")


def daemons(root: Path) -> list[Path]:
    """The processes that serve this store."""
    ending = b"\0serve\0" + os.fsencode(root) + b"\0"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += [process] * (process / "cmdline").read_bytes().endswith(ending)
    return found


def test_many_hosts_at_once_share_one_daemon(tmp_path: Path) -> None:
    found: list[int] = []

    def work(index: int) -> None:
        with join(tmp_path / "store") as device:
            found.append(device.client.request((smp.WRITE, 0, 0), {"d": str(index)})["r"] == str(index))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [True] * 8
    deadline = time.monotonic() + 10
    while len(daemons(tmp_path / "store")) > 1 and time.monotonic() < deadline:
        time.sleep(0.02)  # those that lost the race find the lock taken and end
    assert len(daemons(tmp_path / "store")) == 1
    with join(tmp_path / "store") as device:
        device.reset()


def test_joining_while_another_host_resets(tmp_path: Path) -> None:
    for _ in range(10):
        with join(tmp_path / "store") as device:
            device.reset()
        with join(tmp_path / "store") as device:
            assert device.releases() == []
            device.reset()


def test_who_comes_after_the_answer_to_a_reset_is_not_taken(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon may be stopped for any time between the answer and its end."""
    written, said = os.write, list[bytes]()
    (tmp_path / "asked").write_bytes(Message(smp.WRITE, 0, 5).encode())
    source, sink = os.open(tmp_path / "asked", os.O_RDONLY), os.open(os.devnull, os.O_RDWR)

    def write(fd: int, data: bytes) -> int:
        done = written(fd, data)
        ours, theirs = socket.socketpair()
        with ours:
            socket.send_fds(ours, [b"\0"], (sink, sink))
            server._serve_host(theirs)
            said.append(ours.recv(1))
        return done

    with socket.socket() as unused, monkeypatch.context() as patch:
        server = daemon._Server(unused, service, 1.0)
        patch.setattr(os, "write", write)
        server._talk(source, sink)
    os.close(source)
    os.close(sink)
    assert said == [b""]
    assert server._ending.is_set()


def test_a_second_daemon_leaves_the_store_alone(tmp_path: Path) -> None:
    with join(tmp_path / "store") as device:
        device.describe()
        done = subprocess.run([sys.executable, agent_path(), "serve", tmp_path / "store"], timeout=30)
        assert done.returncode == 75
        assert device.releases() == []
        device.reset()


def test_it_ends_when_nobody_is_there(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from edgeq.agent import daemon; "
        "sys.exit(daemon.serve(Path(sys.argv[1]), idle_s=0.3))"
    )
    (tmp_path / "store").mkdir()
    start = time.monotonic()
    assert subprocess.run([sys.executable, "-c", script, tmp_path / "store"], timeout=30).returncode == 0
    assert time.monotonic() - start > 0.3


def test_a_long_path_and_a_damaged_state(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / "store"
    with join(deep) as device:
        assert device.releases() == []
        device.reset()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "state").write_text("{")
    done = subprocess.run(
        [sys.executable, agent_path(), "attach", tmp_path / "broken"], input=b"", capture_output=True, timeout=30
    )
    assert done.returncode != 0
    assert b"damaged" in done.stderr


@pytest.mark.parametrize("noise", [b"SSH-2.0-OpenSSH\r\n" * 3, b"\xff" * 100])
def test_a_host_that_talks_nonsense_is_let_go(tmp_path: Path, noise: bytes) -> None:
    command = [sys.executable, agent_path(), "attach", tmp_path / "store"]
    done = subprocess.run(command, input=noise, capture_output=True, timeout=30)
    assert done.stdout == b""
    reset = Message(smp.WRITE, 0, 5).encode()
    assert subprocess.run(command, input=reset, capture_output=True, timeout=30).stdout


def test_a_folder_is_one_by_whichever_link_it_is_reached(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    (tmp_path / "s").symlink_to(folder)
    assert daemon._address(tmp_path / "s") == daemon._address(folder)
