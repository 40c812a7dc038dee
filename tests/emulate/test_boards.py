"""Emulated microcontrollers: their files, and QEMU that starts, stops, is killed, and keeps its flash."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq import emulate
from edgeq.emulate.boards import boards
from edgeq.emulate.firmware import VARIABLE
from edgeq.emulate.launch_board import FLASH
from edgeq.emulate.process import descendants, identify, wait_gone
from edgeq.emulate.state import folder_of, running
from edgeq.errors import UsageError

NAME = "mps2-an386"
SOURCE = Path(__file__).resolve().parents[1] / "cases" / "firmware" / "flashcount.c"


@pytest.mark.parametrize("name", boards())
def test_every_board_says_all_that_qemu_needs(name: str, tmp_path: Path) -> None:
    board = boards()[name]
    command = board.command(tmp_path / "a.elf", tmp_path / "flash, 1.bin", "127.0.0.1:99")
    assert command[0] == board.program
    assert any(f"{tmp_path}/flash,, 1.bin" in argument for argument in command)
    assert "tcp:127.0.0.1:99,server=on,wait=off,nodelay=on" in command
    assert f"shift={board.icount_shift}" in command
    assert board.title
    assert 0 < board.flash_bytes <= board.file_bytes - board.flash_offset
    assert any(f"size={board.file_bytes}," in argument for argument in command)


@pytest.mark.parametrize("name", boards())
def test_flash_is_erased_at_first_and_memory_around_it_takes_no_disk(name: str, tmp_path: Path) -> None:
    board, path = boards()[name], tmp_path / FLASH
    board.make_flash(path)
    found = path.stat()
    assert found.st_size == board.file_bytes
    assert found.st_blocks * 512 < board.flash_bytes + (1 << 20)
    with path.open("r+b") as file:
        file.seek(board.flash_offset)
        assert file.read(board.flash_bytes) == b"\xff" * board.flash_bytes
        file.seek(board.flash_offset)
        file.write(b"kept")
    board.make_flash(path)
    with path.open("rb") as file:
        file.seek(board.flash_offset)
        assert file.read(5) == b"kept\xff"
    os.truncate(path, 1000)
    board.make_flash(path)
    assert path.stat().st_size == board.file_bytes
    assert sorted(tmp_path.iterdir()) == [path]


def test_without_firmware_or_qemu_the_hint_is_the_line_that_helps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UsageError, match="no firmware") as told:
        emulate.start(NAME)
    assert told.value.hint == f"Build it: edgeq firmware build --target {NAME}"
    monkeypatch.setenv(VARIABLE, str(SOURCE))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="not installed") as told:
        emulate.start(NAME)
    assert told.value.hint == "apt-get install -y qemu-system-arm"
    assert [(item.name, item.ok) for item in emulate.probe(NAME)] == [("qemu-system-arm", False)]


def test_a_board_has_no_recipes_and_near_names_are_told() -> None:
    with pytest.raises(UsageError, match="by qemu-system-arm only"):
        emulate.start(NAME, recipe="proot")
    with pytest.raises(UsageError) as told:
        emulate.start("mps2-an385")
    assert NAME in told.value.hint


@pytest.fixture(scope="session")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Firmware that counts in flash."""
    if not shutil.which("arm-none-eabi-gcc") or not boards()[NAME].installed:
        pytest.skip("arm-none-eabi-gcc or qemu-system-arm is not installed")
    path = tmp_path_factory.mktemp("elf") / "flashcount.elf"
    flags = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-ffreestanding", "-nostdlib", "-Wl,--section-start=.vectors=0"]
    command = ["arm-none-eabi-gcc", *flags, "-Wl,-Ttext=0x1000", "-Wl,-estart", "-o", str(path), str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)
    return path


@pytest.fixture
def board(elf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[emulate.Instance]:
    """A board that runs; everything ends with the test."""
    monkeypatch.setenv(VARIABLE, str(elf))
    yield emulate.start(NAME)
    for found in emulate.instances():
        emulate.stop(found.key)


def ask(instance: emulate.Instance, text: bytes) -> bytes:
    """What the firmware answers on the serial line."""
    host, _, port = instance.address.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(text)
        got = b""
        while len(got) < len(text):
            got += line.recv(100)
        return got


def test_it_stays_up_between_connections_and_is_found_again(board: emulate.Instance) -> None:
    assert ask(board, b"hello") == b"hello"
    assert ask(board, b"+?+?") == b"+\x00+\x01"
    assert ask(board, b"?") == b"\x01"
    assert emulate.start(NAME) == board
    assert emulate.instances() == [board]
    assert (board.known_hosts, board.identity, board.recipe) == (None, None, "qemu-system-arm")


def test_its_flash_and_its_port_survive_kills_and_stops(board: emulate.Instance) -> None:
    for number in range(3):
        assert ask(board, b"+?")[1] == number
        record = running(NAME)
        assert record
        qemu = [found for pid in descendants(board.pid) if (found := identify(pid))]
        assert len(qemu) == 1
        os.kill(qemu[0].pid, signal.SIGKILL)
        assert wait_gone([record.process], 10)
        again = emulate.start(NAME)
        assert (again.address, again.pid != board.pid) == (board.address, True)
        board = again
    assert emulate.stop(NAME) is True
    assert emulate.instances() == []
    board = emulate.start(NAME)
    assert ask(board, b"?") == b"\x02"
    board = emulate.start(NAME, reset=True)
    assert ask(board, b"?") == b"\xff"


def test_instances_have_flash_of_their_own(board: emulate.Instance) -> None:
    second = emulate.start(f"{NAME}#second")
    assert (second.key, second.name) == ("second", NAME)
    assert ask(second, b"+?") == b"+\x00"
    assert ask(board, b"?") == b"\xff"
    assert [item.key for item in emulate.instances()] == [NAME, "second"]
    assert emulate.stop(f"{NAME}#second") is True
    assert emulate.instances() == [board]


def test_other_firmware_starts_it_anew(board: emulate.Instance, elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = elf.with_name("other.elf")
    other.write_bytes(elf.read_bytes() + b"\0")
    ask(board, b"+")
    monkeypatch.setenv(VARIABLE, str(other))
    again = emulate.start(NAME)
    assert again.pid != board.pid
    assert ask(again, b"?") == b"\x00"


def test_firmware_that_qemu_does_not_take_is_one_sentence(
    elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.elf"
    bad.write_bytes(bytes(5 << 20))
    monkeypatch.setenv(VARIABLE, str(bad))
    with pytest.raises(UsageError, match=NAME):
        emulate.start(NAME)
    assert emulate.instances() == []
    assert (folder_of(NAME) / FLASH).stat().st_size == boards()[NAME].flash_bytes
