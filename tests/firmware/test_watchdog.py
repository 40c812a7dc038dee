"""A model that hangs: the watchdog restarts the board, the trial is over, and what served before serves."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cdrive import FIRMWARE
from mcu import BOARD, SANITIZE, Process, board_firmware
from once import once
from service import bundle_for, send

from edgeq import emulate
from edgeq.confirm import ConfirmPolicy
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import EdgeqError
from edgeq.micro.policy import policy_bytes
from edgeq.protocol import contract

KERNELS = Path(__file__).resolve().parents[1] / "cases" / "firmware" / "hanging_kernels.c"
PATIENCE_S = 120.0


def build(name: str, port: str, flags: str) -> Path:
    """Firmware whose convolutions hang in a model that is called "hang"."""

    def make(folder: Path) -> None:
        command = ["make", "-s", f"-j{os.cpu_count()}", "-C", FIRMWARE, "-f", "firmware.mk", f"PORT={port}"]
        subprocess.run([*command, f"BUILD={folder}", f"TABLE={KERNELS}", f"CFLAGS={flags}"], check=True, timeout=300)

    return once(name, make) / "firmware.elf"


@pytest.fixture
def process(tmp_path: Path, firmware_process: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A process, which a timer restarts where nothing feeds it."""
    assert firmware_process.is_file()
    monkeypatch.setenv("EQ_WATCHDOG_MS", "1500")
    running = Process(build("hanging-process", "host", SANITIZE), tmp_path / "flash.bin")
    yield running.address
    running.kill()


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The emulated board, whose watchdog waits for a second of its time."""
    assert board_firmware(BOARD).is_file()
    elf = build("hanging-board", "qemu_mps2_an386", "-DWATCHDOG_TICKS=25000000u")
    monkeypatch.setenv(VARIABLE, str(elf))
    yield emulate.start(BOARD).address
    emulate.stop(BOARD)


def watched(policy: ConfirmPolicy) -> Callable[[bytearray], None]:
    def edit(image: bytearray) -> None:
        image[84:96] = policy_bytes(policy)

    return edit


def told(address: str) -> dict[str, Any]:
    with open_device(address) as device:
        return device.client.request(contract.RELEASES, {}, 5.0)


def until(address: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the board tells once it is so; while it hangs it says nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            found = told(address)
        except EdgeqError:
            continue
        if done(found):
            return found
        time.sleep(0.1)
    raise AssertionError("the board did not come back")


def try_hanging(address: str, folder: Path, policy: ConfirmPolicy) -> None:
    with open_device(address) as device:
        deploy(bundle_for(device, folder, "good"), device)
        hanging = send(device, bundle_for(device, folder, "hang", edit=watched(policy)))
        device.client.request(contract.ACTIVATE, {"n": hanging})
    found = until(address, lambda found: found["trial"] is None)
    assert [(item["n"], item["state"]) for item in found["releases"]] == [(1, "confirmed"), (hanging, "bad")]
    assert "restarted" in found["releases"][1]["why"]
    assert found["current"] == 1
    with open_device(address) as device:
        assert device.selftest()["worst"] == 0
        assert deploy(bundle_for(device, folder, "next"), device).n == hanging + 1


@pytest.mark.parametrize("starts", [0, 2])
def test_a_model_that_hangs_is_reverted(process: str, tmp_path: Path, starts: int) -> None:
    try_hanging(process, tmp_path, ConfirmPolicy(starts=starts, window_s=60))


@pytest.mark.slow
def test_the_watchdog_of_the_emulated_board_bites(board: str, tmp_path: Path) -> None:
    try_hanging(board, tmp_path, ConfirmPolicy(window_s=60))


@pytest.mark.slow
def test_a_board_that_waits_is_fed_and_counts_time(board: str, tmp_path: Path) -> None:
    with open_device(board) as device:
        deploy(bundle_for(device, tmp_path, "good"), device)
        number = send(device, bundle_for(device, tmp_path, "next", edit=watched(ConfirmPolicy(window_s=3))))
        device.client.request(contract.ACTIVATE, {"n": number})
    found = until(board, lambda found: found["current"] == number)
    assert (found["trial"], [item["state"] for item in found["releases"]]) == (None, ["confirmed", "confirmed"])
