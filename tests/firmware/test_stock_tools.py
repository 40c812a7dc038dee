"""Unmodified smpmgr against the firmware, as a process and on the emulated board."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mcu import BOARD, make_image
from service import bundle_for

from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.errors import DeviceError
from edgeq.protocol.status import Status


@contextlib.contextmanager
def terminal(address: str) -> Iterator[str]:
    """A pseudo-terminal that leads to a TCP address."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    line = socket.create_connection((host, int(port)))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours, theirs = pty.openpty()
    tty.setraw(theirs)

    def up() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(ours, 4096):
                line.sendall(data)

    def down() -> None:
        with contextlib.suppress(OSError):
            while data := line.recv(4096):
                os.write(ours, data)

    threads = [threading.Thread(target=work) for work in (up, down)]
    for thread in threads:
        thread.start()
    yield os.ttyname(theirs)
    line.shutdown(socket.SHUT_RDWR)
    os.close(theirs)
    for thread in threads:
        thread.join(10)
    os.close(ours)
    line.close()


def stock_tool(address: str, *words: str) -> str:
    """What `smpmgr` prints, at the other end of a serial line."""
    with terminal(address) as port:
        command = [Path(sys.executable).parent / "smpmgr", "--port", port, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def smpmgr() -> Callable[..., str]:
    pytest.importorskip("smpmgr")
    return stock_tool


@pytest.mark.parametrize("where", ["process", "board"])
def test_stock_tools_upload_an_image_and_let_it_serve(
    where: str, request: pytest.FixtureRequest, tmp_path: Path, smpmgr: Callable[..., str]
) -> None:
    found = request.getfixturevalue("process" if where == "process" else "board_address")
    address, target = (found.address, "host") if where == "process" else (found, BOARD)
    image = tmp_path / "tiny.eqi"
    image.write_bytes(make_image(target=target))
    digest = hashlib.sha256(image.read_bytes()).hexdigest().upper()

    assert "r='hello'" in smpmgr(address, "os", "echo", "hello")
    assert "No images" in smpmgr(address, "image", "state-read")
    smpmgr(address, "image", "upload", "--format", "any", str(image))
    assert digest in smpmgr(address, "image", "state-read")
    smpmgr(address, "image", "state-write", digest)
    smpmgr(address, "os", "reset")
    told = smpmgr(address, "image", "state-read")
    assert digest in told
    assert "active=True" in told
    assert "version='1.0.0'" in told


@pytest.mark.parametrize("where", ["process", "board"])
def test_stock_tools_erase_what_does_not_serve(
    where: str, request: pytest.FixtureRequest, tmp_path: Path, smpmgr: Callable[..., str]
) -> None:
    found = request.getfixturevalue("process" if where == "process" else "board_address")
    address = found.address if where == "process" else found
    with open_device(address) as device:
        first = deploy(bundle_for(device, tmp_path, "first"), device)
        second = deploy(bundle_for(device, tmp_path, "second"), device)
    assert "rc=<MGMT_ERR.EBADSTATE: 6>" in smpmgr(address, "image", "erase", "1")
    assert "rc=<MGMT_ERR.EINVAL: 3>" in smpmgr(address, "image", "erase", "2")
    assert smpmgr(address, "image", "state-read").count("version=") == 2
    assert "rc=" not in smpmgr(address, "image", "erase", "0")
    told = smpmgr(address, "image", "state-read")
    assert "version='2.0.0'" in told
    assert told.count("version=") == 1
    with open_device(address) as device:
        assert [(item.n, item.serving) for item in device.releases()] == [(second.n, True)]
        with pytest.raises(DeviceError, match="no earlier release to go back to") as no:
            device.rollback()
        assert no.value.status == Status.STATE
        assert device.selftest()["worst"] == 0
        with pytest.raises(DeviceError, match="no such release"):
            device.selftest(first.n)
        assert deploy(bundle_for(device, tmp_path, "first"), device).n == 3
        assert device.rollback() == second.n
