"""The C core for the tests of this folder, and devices that run the firmware: a process, and the emulated board."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest
from cdrive import SANITIZE, Ask, Drive, build
from mcu import BOARD, Process
from once import once
from ownboard import build_library

from edgeq import emulate
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE


@pytest.fixture(scope="session", params=["gcc", "clang"])
def drive(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Ask the core: `drive(command, payload) -> (status, payload)`."""
    folder = once(f"drive-{request.param}", lambda folder: build(request.param, folder / "drive", *SANITIZE))
    driver = Drive(folder / "drive")
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    """Core and runtime, for `ownboard.Board`."""
    return ctypes.CDLL(str(once("core-library", build_library) / "core.so"))


@pytest.fixture
def edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the edges of the trigger pin of a process that starts now are kept."""
    path = tmp_path / "edges"
    monkeypatch.setenv("EQ_TRIGGER", str(path))
    return path


@pytest.fixture
def process(firmware_process: Path, tmp_path: Path) -> Iterator[Process]:
    """The firmware as a process under sanitizers, with flash of its own."""
    running = Process(firmware_process, tmp_path / "flash.bin")
    yield running
    running.kill()


@pytest.fixture
def device(process: Process) -> Iterator[Device]:
    """The same, opened."""
    with open_device(process.address) as opened:
        yield opened


@pytest.fixture
def board_address(firmware_board: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the emulated board answers."""
    monkeypatch.setenv(VARIABLE, str(firmware_board))
    yield emulate.start(BOARD).address
    emulate.stop(BOARD)


@pytest.fixture
def board(board_address: str) -> Iterator[Device]:
    """The emulated board, opened."""
    with open_device(board_address) as opened:
        yield opened
