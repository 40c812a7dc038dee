"""Two hosts and one microcontroller: its line is one host's at a time, and that is the hold; firmware has none."""

from __future__ import annotations

import os
import pty
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcu import BOARD, Process
from service import bundle_for

from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.errors import DeviceError, EdgeqError, LinkError, LinkTimeout
from edgeq.link.serial import SerialLink
from edgeq.protocol import contract
from edgeq.verify import verify

PATIENCE_S = 60.0


class Host(threading.Thread):
    """One `edgeq deploy` among others; `error` says why it is not `done`."""

    def __init__(self, address: str, folder: Path, name: str) -> None:
        super().__init__()
        self._address, self._folder, self.name_of = address, folder, name
        self.done, self.error = 0, ""

    def run(self) -> None:
        try:
            with open_device(self._address) as device:
                self.done = deploy(bundle_for(device, self._folder, self.name_of), device).n
        except EdgeqError as error:
            self.error = f"{error.message} {error.hint}"


def race(address: str, folder: Path, count: int = 2) -> list[Host]:
    hosts = [Host(address, folder, f"host{number}") for number in range(count)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join(PATIENCE_S)
        assert not host.is_alive()
    return hosts


def must_be_sound(device: Device, folder: Path) -> None:
    """Nothing that is installed is a mixture, and the next deploy finds nothing in its way."""
    assert all(item.sound for item in verify(device).releases)
    assert deploy(bundle_for(device, folder, "next"), device).state == "confirmed"


def take_turns(address: str, folder: Path) -> None:
    """A deploy is short, so who waits for the line mostly gets it; else that is what it is told."""
    hosts = race(address, folder)
    winners = [host for host in hosts if host.done]
    assert winners and len({host.done for host in winners}) == len(winners)
    assert all("has no other program the port open?" in host.error for host in hosts if not host.done)
    with open_device(address) as device:
        last = max(winners, key=lambda host: host.done)
        assert [(item.n, item.name) for item in device.releases() if item.serving] == [(last.done, last.name_of)]
        must_be_sound(device, folder)


def test_two_deploys_take_turns(process: Process, tmp_path: Path) -> None:
    take_turns(process.address, tmp_path)


@pytest.mark.slow
def test_two_deploys_to_an_emulated_board_take_turns(board_address: str, tmp_path: Path) -> None:
    take_turns(board_address, tmp_path)
    with open_device(f"qemu:{BOARD}") as device:
        assert device.installed().serving


@pytest.mark.slow
def test_who_finds_the_line_taken_is_told_and_disturbs_nothing(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as first:
        bundle = bundle_for(first, tmp_path, "first")
        data = bundle.path("image.eqi").read_bytes()
        sha = bundle.manifest["files"]["image.eqi"]["sha256"]
        with pytest.raises(LinkTimeout, match="answers no echo") as no:
            open_device(process.address)
        assert "has no other program the port open" in no.value.hint
        first.put(sha, data, 0, lambda _: None)
        assert deploy(bundle, first).n == 1
    with open_device(process.address) as second:
        must_be_sound(second, tmp_path)


def test_a_host_that_dies_leaves_no_lock(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as first:
        bundle = bundle_for(first, tmp_path, "first")
        data = bundle.path("image.eqi").read_bytes()
        body = {"sha": bytes.fromhex(bundle.manifest["files"]["image.eqi"]["sha256"]), "off": 0, "len": len(data)}
        assert first.client.request(contract.BLOB_PUT, {**body, "data": data[:1000]})["off"] == 1000
    with open_device(process.address) as second:
        must_be_sound(second, tmp_path)


def test_firmware_knows_no_hold(device: Device) -> None:
    assert device.hold("somebody") is False
    with pytest.raises(DeviceError, match="does not know this command"):
        device.client.request(contract.HOLD, {"who": "somebody"})


def test_a_serial_port_is_one_host_s() -> None:
    ours, theirs = pty.openpty()
    address = f"serial:{os.ttyname(theirs)}"
    first = SerialLink(address)
    with pytest.raises(LinkError, match="open in another program"):
        SerialLink(address)
    first.close()
    SerialLink(address).close()
    os.close(ours)
    os.close(theirs)


class Exporter(threading.Thread):
    """It lets everybody onto one line, which no exporter should: all hear each answer, and requests run together."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        host, _, port = address.removeprefix("tcp://").partition(":")
        self._line, self._server = socket.create_connection((host, int(port))), socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    def run(self) -> None:
        while True:
            for ready in select.select([self._line, self._server, *self._clients], [], [])[0]:
                if ready is self._server:
                    self._clients.append(ready.accept()[0])
                elif not self._pass_on(ready):
                    for end in (self._line, self._server, *self._clients):
                        end.close()
                    return

    def close(self) -> None:
        self._line.shutdown(socket.SHUT_RDWR)
        self.join(PATIENCE_S)

    def _pass_on(self, ready: socket.socket) -> bool:
        try:
            data = ready.recv(4096)
            for to in list(self._clients) if ready is self._line else [self._line]:
                to.sendall(data)
        except OSError:
            data = b""
        if data or ready is self._line:
            return bool(data)
        self._clients.remove(ready)
        ready.close()
        return True


@pytest.fixture
def shared(process: Process) -> Iterator[str]:
    exporter = Exporter(process.address)
    exporter.start()
    yield exporter.address
    exporter.close()


def test_even_where_both_are_on_one_line_no_mixture_is_installed(shared: str, tmp_path: Path) -> None:
    race(shared, tmp_path)
    with open_device(shared) as device:
        must_be_sound(device, tmp_path)
