"""How many restarts a rollback takes on a microcontroller: none where it is asked for, one where a trial ends in a hang
or a power cut and its policy allows none."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import tiny
from mcu import Process, build_hanging_process
from once import once
from service import bundle_for, send
from test_trials import begin, states, why
from test_watchdog import until, watched

from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.firmware import ELF
from edgeq.protocol import contract
from edgeq.transaction.confirm import ConfirmPolicy

INPUT = tiny()[2][0][0][0]


def job_number(device: Device) -> int:
    """That of a job which begins now: they count from 1 since the start."""
    number = int(device.client.request(contract.SELFTEST, {})["job"])
    while device.client.request(contract.JOB, {"job": number, "from": 0})["state"] == "running":
        time.sleep(0.01)
    return number


def rollback_without_restart(device: Device, folder: Path) -> None:
    assert [deploy(bundle_for(device, folder, name), device).n for name in ("first", "second")] == [1, 2]
    number = job_number(device)
    assert device.rollback() == 1
    assert device.invoke(INPUT)
    assert job_number(device) == number + 2
    assert [(item.n, item.state, item.serving) for item in device.releases()] == [
        (1, "confirmed", True),
        (2, "confirmed", False),
    ]


def test_a_rollback_that_is_asked_for_takes_none(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        rollback_without_restart(device, tmp_path)
    process.kill()
    process.start()
    with open_device(process.address) as device:
        assert device.installed().current == 1
        assert job_number(device) == 1


@pytest.mark.slow
def test_nor_on_the_emulated_board(board: Device, tmp_path: Path) -> None:
    rollback_without_restart(board, tmp_path)
    board.reset()
    assert board.installed().current == 1
    assert job_number(board) == 1


def test_one_restart_ends_a_trial_that_may_see_none(library: ctypes.CDLL) -> None:
    board, device = begin(library, ConfirmPolicy(window_s=1000, starts=0))
    board.restart()
    assert states(device) == ["confirmed", "bad"]
    assert "restarted" in why(device)
    assert device.installed().current == 1
    assert device.invoke(INPUT)


@pytest.mark.parametrize("starts", [1, 3])
def test_each_restart_that_is_allowed_is_told(library: ctypes.CDLL, starts: int) -> None:
    board, device = begin(library, ConfirmPolicy(window_s=1000, starts=starts))
    for count in range(1, starts + 1):
        board.restart()
        board.feed(b"")
        watched_trial = device.installed().watch
        assert watched_trial is not None and watched_trial.starts == count
    board.restart()
    assert states(device) == ["confirmed", "bad"]


class Starts(threading.Thread):
    """Counts how often a process was replaced by itself: each time its stack lies elsewhere."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._stat, self._over = Path(f"/proc/{pid}/stat"), threading.Event()
        self.stacks: list[str] = []

    def run(self) -> None:
        while not self._over.wait(0.02):
            self._look()

    def end(self) -> int:
        """How many restarts there were."""
        self._over.set()
        self.join()
        self._look()
        return len(self.stacks) - 1

    def _look(self) -> None:
        before = self._stack()
        time.sleep(0.005)
        while before != (stack := self._stack()):  # while it is being replaced it lies somewhere else for a moment
            before = stack
            time.sleep(0.005)
        if self.stacks[-1:] != [stack]:
            self.stacks.append(stack)

    def _stack(self) -> str:
        return self._stat.read_text().rpartition(")")[2].split()[25]


@pytest.fixture
def hanging(tmp_path: Path, firmware_process: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A process whose watchdog bites, with kernels that hang in a model of that name."""
    assert firmware_process.is_file()
    if Path("/proc/sys/kernel/randomize_va_space").read_text().strip() == "0":
        pytest.skip("addresses are not random here, so that a restart cannot be seen")
    monkeypatch.setenv("EQ_WATCHDOG_MS", "1500")
    running = Process(once("hanging-process", build_hanging_process) / ELF, tmp_path / "flash.bin")
    yield running
    running.kill()


@pytest.mark.parametrize("starts", [0, 1])
def test_a_hang_takes_one_restart_more_than_its_policy_allows(hanging: Process, tmp_path: Path, starts: int) -> None:
    with open_device(hanging.address) as device:
        deploy(bundle_for(device, tmp_path, "good"), device)
        policy = watched(ConfirmPolicy(window_s=60, starts=starts))
        number = send(device, bundle_for(device, tmp_path, "hang", edit=policy))
        count = Starts(hanging._process.pid)
        count.start()
        device.client.request(contract.ACTIVATE, {"n": number})
    found = until(hanging.address, lambda found: found["releases"][-1]["state"] == "bad")
    assert found["current"] == 1
    with open_device(hanging.address) as device:
        assert device.invoke(INPUT)
    assert count.end() == starts + 1
