"""One start of an emulated microcontroller: its flash and firmware, QEMU, and a serial port that listens."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path

from edgeq.emulate.boards import Board
from edgeq.emulate.launch import failure, on_free_port, spawn
from edgeq.emulate.plan import Plan
from edgeq.emulate.process import alive
from edgeq.emulate.state import HOST, READABLE, Instance, Record, write_record
from edgeq.errors import UsageError
from edgeq.host.paths import write_whole

START_TIMEOUT_S = 30.0
HOLD_S = 0.3
FLASH, ELF, PORT = "flash.bin", "firmware.elf", "port"
"""Files of an instance; flash and port survive `stop`."""


def launch_board(board: Board, folder: Path, elf: Path) -> Instance:
    """Start `board` with this firmware."""
    if not board.installed:
        raise UsageError(f"{board.program} is not installed; the emulated {board.name} needs it.", board.install)
    folder.mkdir(parents=True, exist_ok=True)
    _furnish(board, folder, elf)

    def start(port: int) -> Instance:
        record = _spawn(board, folder, port)
        _await_port(folder, record)
        return record.instance

    return on_free_port(folder, _last_port(folder), start)


def is_outdated(folder: Path, elf: Path) -> bool:
    """Whether the instance was started with other firmware than this."""
    try:
        return (folder / ELF).read_bytes() != elf.read_bytes()
    except OSError:
        return True


def _furnish(board: Board, folder: Path, elf: Path) -> None:
    """A copy of the firmware, and erased flash unless there is flash already."""
    part = folder / f".{ELF}.part"
    part.write_bytes(elf.read_bytes())
    part.replace(folder / ELF)
    board.make_flash(folder / FLASH)


def _spawn(board: Board, folder: Path, port: int) -> Record:
    cookie = secrets.token_hex(8)
    command = board.command(folder / ELF, folder / FLASH, f"{HOST}:{port}")
    plan = Plan(command, board.program, START_TIMEOUT_S)
    process = spawn(folder, cookie, plan)
    instance = Instance(
        name=board.name,
        recipe=board.program,
        why=board.title,
        address=f"tcp://{HOST}:{port}",
        known_hosts=None,
        identity=None,
        pid=process.pid,
        key=folder.name,
    )
    record = Record(instance, process, cookie, port)
    write_record(folder, record)
    write_whole(folder / PORT, f"{port}\n", READABLE)
    return record


def _last_port(folder: Path) -> int:
    try:
        return int((folder / PORT).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _await_port(folder: Path, record: Record) -> None:
    """Wait until QEMU of this start listens, and lives on for a moment: it does so before it loads the firmware."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and alive(record.process):
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((HOST, record.port)) == 0 and _is_held(probe) and alive(record.process):
                return
        time.sleep(0.02)
    late = f"did not listen on port {record.port} within {START_TIMEOUT_S:.0f} s"
    raise failure(folder, late if alive(record.process) else "ended while starting")


def _is_held(connection: socket.socket) -> bool:
    """Whether the connection is still there after a moment, whatever the board prints."""
    deadline = time.monotonic() + HOLD_S
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(4096):
                return False
        except TimeoutError:
            return True
        except OSError:
            return False
    return True
