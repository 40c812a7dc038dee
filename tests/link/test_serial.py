"""A serial port on a pseudo-terminal and on pyserial's own URLs; each of its exceptions is one of ours."""

from __future__ import annotations

import errno
import os
import pty
import socket
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Any

import pytest
from fakemcu import FakeMcu

from edgeq.device.client import Client
from edgeq.device.open import open_device
from edgeq.errors import EdgeqError, LinkError, LinkTimeout, UsageError
from edgeq.link import serial as module
from edgeq.link.frames import Line
from edgeq.link.serial import SerialLink
from edgeq.protocol import contract

serial = pytest.importorskip("serial", reason="pyserial is not installed")


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """The device's end of a pseudo-terminal, and the address of the host's."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, f"serial:{os.ttyname(theirs)}"
    for descriptor in (ours, theirs):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_every_byte_passes_both_ways(terminal: tuple[int, str]) -> None:
    ours, address = terminal
    data = bytes(range(256)) * 4
    link = SerialLink(address + "?baud=921600")
    assert (link.lossy, link.baud, isinstance(link, Line)) == (True, 921_600, True)
    os.write(ours, data)
    got = b""
    while len(got) < len(data):
        got += link.receive(1)
    assert got == data
    link.send(data, 1)
    back = b""
    while len(back) < len(data):  # a terminal hands over what has arrived by then
        back += os.read(ours, 4096)
    assert back == data
    link.close()


def test_the_port_is_ours_alone_and_its_lines_stay_when_it_closes(terminal: tuple[int, str]) -> None:
    ours, address = terminal
    link = SerialLink(address)
    assert not termios.tcgetattr(ours)[2] & termios.HUPCL
    with pytest.raises(LinkError, match="open in another program"):
        SerialLink(address)
    link.close()
    link.close()
    with pytest.raises(LinkError, match="closed"):
        link.receive(0.1)
    SerialLink(address).close()


def test_a_rate_changes_after_what_was_sent_has_left(terminal: tuple[int, str]) -> None:
    ours, address = terminal
    link = SerialLink(address)
    link.set_baud(9600)
    assert (link.baud, termios.tcgetattr(ours)[4]) == (9600, termios.B9600)
    link.close()


def test_silence_and_a_port_that_goes_away(terminal: tuple[int, str]) -> None:
    ours, address = terminal
    link = SerialLink(address)
    with pytest.raises(LinkTimeout, match=r"sent nothing for 0.01 s"):
        link.receive(0.01)
    os.close(ours)
    for call in (lambda: link.receive(1), lambda: link.send(b"x", 1), lambda: link.set_baud(9600)):
        with pytest.raises(LinkError, match="failed") as gone:
            call()
        assert "plugged in" in gone.value.hint
    link.close()


def test_ports_that_are_not_there() -> None:
    with pytest.raises(LinkError, match="no such port"):
        SerialLink("serial:/dev/edgeq-none")
    with pytest.raises(UsageError, match="foo"):
        SerialLink("serial:foo://x")


class Port:
    """Stands for pyserial's port: notes what is set before it is opened, and fails as told."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.log: list[str] = []
        self.is_open = True
        self._error = error

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in ("log", "is_open"):
            self.log.append(f"{name}={value}")
        super().__setattr__(name, value)

    def _fail(self) -> None:
        if self._error:
            raise self._error

    def open(self) -> None:
        self.log.append("open")
        self._fail()

    @property
    def in_waiting(self) -> int:
        return 0

    def read(self, _count: int) -> bytes:
        self._fail()
        return b""

    def write(self, _data: bytes) -> None:
        self._fail()

    def flush(self) -> None:
        self._fail()

    def reset_input_buffer(self) -> None:
        self.log.append("flushed")

    def close(self) -> None:
        self.log.append("close")


def opened(monkeypatch: pytest.MonkeyPatch, port: Port, address: str = "serial:/dev/x") -> SerialLink:
    monkeypatch.setattr(serial, "serial_for_url", lambda *_, **__: port)
    monkeypatch.setattr(module, "RESET_PULSE_S", 0)
    return SerialLink(address)


def test_the_lines_are_set_before_the_port_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port()
    opened(monkeypatch, port)
    assert port.log == ["exclusive=True", "dtr=False", "rts=False", "open"]
    port = Port()
    opened(monkeypatch, port, "serial:/dev/x?dtr=on&reset_on_open=rts")
    assert port.log[1:] == ["dtr=True", "rts=False", "open", "rts=True", "rts=False", "flushed"]


def exceptions() -> list[BaseException]:
    """One of every exception class that pyserial defines, and those of the system that it lets through."""
    modules = [part for name, part in sys.modules.items() if name == "serial" or name.startswith("serial.")]
    classes = {
        value
        for part in modules
        for value in vars(part).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__.startswith("serial.")
    }
    assert {serial.SerialException, serial.SerialTimeoutException, serial.PortNotOpenError} <= classes
    made = [
        cls() if cls is serial.PortNotOpenError else cls("it says")
        for cls in sorted(classes, key=lambda cls: cls.__name__)
    ]
    return [
        *made,
        OSError(errno.EIO, "bad"),
        termios.error(errno.EIO, "bad"),
        ValueError("a setting"),
        NotImplementedError("that"),
    ]


@pytest.mark.parametrize("error", exceptions(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", ["open", "read", "write", "flush"])
def test_every_exception_is_translated(error: BaseException, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port(error if call == "open" else None)
    with pytest.raises(EdgeqError) as told:
        link = opened(monkeypatch, port)
        port._error = error
        {"read": lambda: link.receive(0), "write": lambda: link.send(b"x", 1), "flush": lambda: link.set_baud(9600)}[
            call
        ]()
    assert told.value.message
    assert told.value.hint
    assert told.value.exit_code in (2, 4)


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.EACCES, "may not open"), (errno.EBUSY, "another program"), (errno.ENOENT, "no such port")],
)
def test_what_went_wrong_is_told(number: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LinkError, match=message):
        opened(monkeypatch, Port(serial.SerialException(number, f"could not open port: {os.strerror(number)}")))


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("PermissionError(13, 'Access is denied.', None, 5)", "another program"),
        ("FileNotFoundError(2, 'The system cannot find the file specified.', None, 2)", "no such port"),
    ],
)
def test_what_windows_says_is_told(reason: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LinkError, match=message):
        opened(monkeypatch, Port(serial.SerialException(f"could not open port 'COM3': {reason}")))


def test_without_pyserial_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(UsageError) as told:
        SerialLink("serial:/dev/ttyS0")
    assert "edgeq[serial]" in told.value.hint


def test_loop() -> None:
    link = SerialLink("serial:loop://?baud=3000000")
    link.send(b"round", 1)
    got = b""
    while len(got) < 5:
        got += link.receive(1)
    assert got == b"round"
    link.close()


def serve_mcu(mcu: FakeMcu, descriptor: int) -> threading.Thread:
    """Answers on a pseudo-terminal until it is closed."""

    def serve() -> None:
        try:
            while data := os.read(descriptor, 4096):
                os.write(descriptor, mcu.feed(data))
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_a_device_behind_a_port(terminal: tuple[int, str]) -> None:
    ours, address = terminal
    mcu = FakeMcu()
    serve_mcu(mcu, ours)
    with open_device(address) as device:
        assert device.describe()["kind"] == "mcu"
        device.client.upload(bytes(9000), 0, contract.BLOB_PUT, {"sha": b"x"}, lambda _: None)
    assert mcu.blobs[b"x"] == bytes(9000)


@pytest.fixture
def rfc2217() -> Iterator[int]:
    """The port of a server that offers a `loop://` as RFC 2217 does, by pyserial's own half of that protocol."""
    import serial.rfc2217

    looped = serial.serial_for_url("loop://", timeout=0.05)
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        sock, _ = listener.accept()
        sock.settimeout(0.05)
        manager = serial.rfc2217.PortManager(looped, type("Out", (), {"write": staticmethod(sock.sendall)}))
        with sock:
            while not ended.is_set():
                try:
                    data = sock.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    return
                if not data:
                    return
                looped.write(b"".join(manager.filter(data)))
                sock.sendall(b"".join(manager.escape(looped.read(looped.in_waiting))))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    ended.set()
    thread.join(5)
    listener.close()
    looped.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:serial")
def test_rfc2217(rfc2217: int) -> None:
    link = SerialLink(f"serial:rfc2217://127.0.0.1:{rfc2217}?baud=9600")
    data, got = bytes(range(256)), b""
    link.send(data, 1)
    while len(got) < len(data):
        got += link.receive(5)
    assert got == data
    link.close()


def test_a_socket_url_is_a_tcp_link() -> None:
    mcu = FakeMcu()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                while data := sock.recv(4096):
                    sock.sendall(mcu.feed(data))

        threading.Thread(target=serve, daemon=True).start()
        with open_device(f"serial:socket://127.0.0.1:{listener.getsockname()[1]}") as device:
            assert isinstance(device.client, Client)
            assert device.describe()["kind"] == "mcu"
