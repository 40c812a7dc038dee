"""A model that hangs: the watchdog restarts the board, the trial is over, and what served before serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcu import BOARD, Process, board_firmware, build_hanging_board, build_hanging_process
from once import once
from service import bundle_for, send

from edgeq import emulate
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import EdgeqError
from edgeq.firmware import ELF
from edgeq.micro.policy import policy_bytes
from edgeq.protocol import contract
from edgeq.transaction.confirm import ConfirmPolicy

PATIENCE_S = 120.0


@pytest.fixture
def process(tmp_path: Path, firmware_process: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A process, which a timer restarts where nothing feeds it."""
    assert firmware_process.is_file()
    monkeypatch.setenv("EQ_WATCHDOG_MS", "1500")
    running = Process(once("hanging-process", build_hanging_process) / ELF, tmp_path / "flash.bin")
    yield running.address
    running.kill()


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The emulated board, whose watchdog waits for a second of its time."""
    assert board_firmware(BOARD).is_file()
    monkeypatch.setenv(VARIABLE, str(once("hanging-board", build_hanging_board) / ELF))
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
