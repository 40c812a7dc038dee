"""Who has a line: told of processes of this machine, and of nothing else."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.link import holder
from edgeq.link.holder import who_has

if not Path("/proc/net/tcp").is_file():
    pytest.skip("only Linux tells it", allow_module_level=True)

WAIT = "import sys; print(flush=True); sys.stdin.read()"


def program(tmp_path: Path, code: str) -> subprocess.Popen[str]:
    """A script that has something open until its input ends."""
    (tmp_path / "monitor.py").write_text(code + WAIT)
    command = [sys.executable, str(tmp_path / "monitor.py")]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout and started.stdout.readline()
    return started


def test_a_port(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    assert who_has(f"serial:{name}") == ""
    with program(tmp_path, f"file = open({name!r}, 'rb')\n") as started:
        assert who_has(f"serial:{name}?baud=9600") == f"monitor.py (process {started.pid})"
        started.communicate("")
    assert who_has(f"serial:{name}") == ""
    os.close(ours)
    os.close(theirs)


def test_a_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # our own does not count
            assert who_has(f"tcp://127.0.0.1:{port}") == ""
        code = f"import socket\nline = socket.create_connection(('127.0.0.1', {port}))\n"
        with program(tmp_path, code) as started:
            assert who_has(f"tcp://localhost:{port}") == f"monitor.py (process {started.pid})"
            started.communicate("")


@pytest.mark.parametrize("address", ["memory:", "tcp://no.such.host.invalid:1", "serial:/dev/none", "serial:COM3"])
def test_where_nobody_can_tell_nothing_is_said(address: str) -> None:
    assert who_has(address) == ""


def test_without_proc_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(holder, "PROC", tmp_path)
    assert who_has("tcp://127.0.0.1:1") == ""
