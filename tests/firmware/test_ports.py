"""Ports without the core: line, clock, memory, flash and restart, each behind the same small program."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from mcu import BOARD, FIRMWARE, board_firmware, make_port

from edgeq import emulate
from edgeq.emulate.boards import boards
from edgeq.emulate.launch_board import FLASH
from edgeq.emulate.process import descendants, identify, wait_gone
from edgeq.emulate.state import folder_of, running
from edgeq.errors import UsageError

PORTS = {
    path.parent.name: re.findall(r"^TARGET \?= (\S+)$", path.read_text(encoding="utf-8"), re.M)[0]
    for path in sorted((FIRMWARE / "ports").glob("*/board.mk"))
}
"""Each port's target."""
EMULATED = {target: port for port, target in PORTS.items() if target in boards()}
MAIN = Path(__file__).resolve().parents[1] / "cases" / "firmware" / "port_main.c"
SECTOR, UNIT, SLOT = 4096, 8, 0x801000
"""The flash of memory_flash.c in 16 MB; the second slot begins at SLOT."""


@pytest.mark.parametrize("port", PORTS)
def test_every_port_compiles_without_a_warning_and_tells_of_itself(port: str, tmp_path: Path) -> None:
    target = PORTS[port]
    try:  # What the emulated boards of other tests run is made in the same way.
        elf = board_firmware(target) if target in EMULATED and target != BOARD else make_port(port, tmp_path)
    except UsageError as missing:
        pytest.skip(missing.message)
    assert elf.is_file()
    assert (FIRMWARE / "ports" / port / "README.md").read_text(encoding="utf-8").startswith("# ")


def make_small(port: str, folder: Path, flags: str) -> Path:
    """A port with `MAIN`, and without core and runtime."""
    try:
        return make_port(port, folder, f"MAIN={MAIN}", "CORE=", "RUNTIME=", f"CFLAGS={flags}")
    except UsageError as missing:
        pytest.skip(missing.message)


class Line:
    """The program of a port at the other end of a connection."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wait()

    def read(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            part = self.socket.recv(1 << 16)
            assert part, "the port closed the connection"
            got += part
        return got

    def numbers(self, request: bytes, count: int = 1) -> tuple[int, ...]:
        self.socket.sendall(request)
        return struct.unpack(f"<{count}I", self.read(4 * count))

    def flash(self, how: int) -> int:
        """Its status."""
        self.socket.sendall(bytes((ord("f"), how)))
        return int(struct.unpack("<i", self.read(4))[0])

    def echo(self, data: bytes, request: bytes = b"e") -> bytes:
        """What comes back, read while it is sent."""
        sender = threading.Thread(target=self.socket.sendall, args=(request + struct.pack("<I", len(data)) + data,))
        sender.start()
        got = self.read(len(data))
        sender.join()
        return got

    def restart(self, request: bytes = b"r") -> None:
        """Restart the board and wait until it answers."""
        self.socket.sendall(request)
        self.wait()

    def wait(self) -> None:
        """Until the board answers; what it takes before its line is set up is lost, and is no request."""
        self.socket.settimeout(0.2)
        for attempt in range(150):
            token, got = b"%08d" % attempt, b""
            self.socket.sendall(b"e" + struct.pack("<I", len(token)) + token)
            with contextlib.suppress(TimeoutError):
                while not got.endswith(token):
                    part = self.socket.recv(100)
                    assert part, "the port closed the connection"
                    got += part
                return self.socket.settimeout(30)
        raise AssertionError("the board does not answer")

    def close(self) -> None:
        self.socket.close()


class Host:
    """The host port, a process under sanitizers."""

    offset = 0

    def __init__(self, elf: Path, folder: Path) -> None:
        self.command, self.flash = [elf, folder / "flash.bin"], folder / "flash.bin"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate(timeout=10)


class Qemu:
    """A board in QEMU, as edgeq starts it."""

    def __init__(self, name: str) -> None:
        self.name, self.offset = name, boards()[name].flash_offset

    @property
    def flash(self) -> Path:
        return folder_of(self.name) / FLASH

    def start(self) -> str:
        return emulate.start(self.name).address

    def kill(self) -> None:
        record = running(self.name)
        if record:
            (qemu,) = [found for pid in descendants(record.instance.pid) if (found := identify(pid))]
            os.kill(qemu.pid, signal.SIGKILL)
            assert wait_gone([record.process], 10)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The small program for a board, compiled when it is first asked for."""

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp("port")
        if name == "host":
            return make_small(name, folder, "-g -fsanitize=address,undefined")
        return make_small(EMULATED[name], folder, "-DRING_BYTES=256u")

    return made


@pytest.fixture
def plug(
    program: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Host | Qemu]]:
    """Make a board that does not run yet; everything ends with the test."""
    hosts: list[Host] = []

    def plugged(name: str) -> Host | Qemu:
        if name == "host":
            hosts.append(Host(program(name), tmp_path))
            return hosts[-1]
        if not boards()[name].installed:
            pytest.skip(f"{boards()[name].program} is not installed")
        monkeypatch.setenv("EDGEQ_FIRMWARE", str(program(name)))
        return Qemu(name)

    yield plugged
    for host in hosts:
        host.kill()
    for found in emulate.instances():
        emulate.stop(found.key)


@pytest.fixture(params=EMULATED)
def qemu(request: pytest.FixtureRequest, plug: Callable[[str], Host | Qemu]) -> Host | Qemu:
    return plug(request.param)


@pytest.fixture(params=["host", *EMULATED])
def board(request: pytest.FixtureRequest, plug: Callable[[str], Host | Qemu]) -> Host | Qemu:
    return plug(request.param)


@pytest.fixture
def line(board: Host | Qemu) -> Iterator[Line]:
    opened = Line(board.start())
    yield opened
    opened.close()


def test_every_byte_arrives_both_ways(line: Line) -> None:
    data = random.Random(1).randbytes(12_000)
    assert line.echo(data) == data


def test_what_arrives_while_the_board_is_busy_waits_for_it(line: Line) -> None:
    for size in (1, 255, 256, 257, 6_000):
        data = random.Random(size).randbytes(size)
        assert line.echo(data, b"d") == data


def test_it_sleeps_and_wakes_for_every_byte(line: Line) -> None:
    for _ in range(300):
        assert line.echo(b"x") == b"x"


def test_it_serves_one_connection_after_the_other(board: Host | Qemu) -> None:
    address = board.start()
    for text in (b"first", b"second"):
        line = Line(address)
        assert line.echo(text) == text
        line.close()


def test_the_clock_counts_instructions_and_nothing_else(qemu: Qemu) -> None:
    line = Line(qemu.start())
    seen = [line.numbers(b"t")[0] for _ in range(5)]
    line.close()
    assert max(seen) - min(seen) <= 1
    around = seen[0] % 100_000  # a round is whole instructions
    assert 400_000 < seen[0] < 800_000 and around < 50


def test_running_over_the_stack_restarts_the_board(qemu: Qemu) -> None:
    line = Line(qemu.start())
    line.restart(b"o")
    used, of = line.numbers(b"s", 2)
    line.close()
    assert used < of // 2


def test_all_of_the_arena_is_memory_and_the_stack_is_painted(qemu: Qemu) -> None:
    line = Line(qemu.start())
    (good,) = line.numbers(b"a")
    script = (FIRMWARE / "ports" / EMULATED[qemu.name] / "board.ld").read_text(encoding="utf-8")
    assert good == int(re.findall(r"^arena_bytes = (\d+)K;$", script, re.M)[0]) << 10
    before, stack = line.numbers(b"s", 2)
    line.flash(1)
    after, _ = line.numbers(b"s", 2)
    line.close()
    assert 0 < before < SECTOR < after < stack == 16384


def sector_of(board: Host | Qemu) -> bytes:
    """The sector that the program writes."""
    with board.flash.open("rb") as file:
        file.seek(board.offset + SLOT)
        return file.read(SECTOR)


def filled(number: int) -> bytes:
    return struct.pack(f"<{SECTOR // 4}I", *(number << 12 | index for index in range(SECTOR // 4)))


def test_flash_is_written_once_between_two_erases_and_survives_a_restart(board: Host | Qemu) -> None:
    line = Line(board.start())
    assert [line.flash(how) for how in (0, 1, 2)] == [0, 0, -10]
    line.restart()
    assert sector_of(board) == filled(1)
    assert [line.flash(how) for how in (1, 0, 2)] == [-10, 0, 0]
    line.close()
    assert sector_of(board) == filled(2)[:UNIT].ljust(SECTOR, b"\xff")


def is_torn_cleanly(sector: bytes) -> bool:
    """Whether a sector is what filling or erasing it, word by word from its start, passes through."""
    erased = [sector[at : at + 4] == b"\xff" * 4 for at in range(0, SECTOR, 4)]
    (number,) = struct.unpack_from("<I", sector, 4 * erased.index(False)) if False in erased else (0,)
    whole = filled(number >> 12)
    done = erased.index(True) * 4 if True in erased[1:] and not erased[0] else 4 * erased.count(True)
    cut = sector[:done] == whole[:done] and sector[done:] == b"\xff" * (SECTOR - done)
    return cut or sector == b"\xff" * done + whole[done:]


def test_a_kill_in_the_middle_of_a_write_leaves_what_was_written(board: Host | Qemu) -> None:
    for _ in range(1 if isinstance(board, Qemu) else 4):
        line = Line(board.start())
        line.socket.sendall(b"k")
        assert line.read(1) == b"."
        board.kill()
        line.close()
        assert is_torn_cleanly(sector_of(board))
        line = Line(board.start())
        assert [line.flash(how) for how in (0, 1)] == [0, 0]
        line.close()
        board.kill()
        assert sector_of(board) == filled(1)
