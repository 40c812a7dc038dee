"""A microcontroller that goes off, or hangs: power cuts and resets in the middle of an upload and of a trial, and
models whose kernels never end, on the emulated Cortex-M4 with its watchdog.

The firmware is the shipped one, but that the convolutions of a model called "hang" do so (tests/cases/firmware), and
that the watchdog waits for a second. A power cut is the end of QEMU, whose flash is a file; a start is the next one's.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fault_lab import Lab, Skip, made
from fault_table import Row
from mcu import BOARD, build_hanging_board, make_mcu_bundle

from edgeq import emulate
from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import EdgeqError
from edgeq.firmware import ELF
from edgeq.link.line_address import parse_tcp
from edgeq.link.proxy import Faults, Proxy
from edgeq.link.tcp import TcpLink
from edgeq.micro.policy import policy_bytes
from edgeq.protocol import contract
from edgeq.transaction.confirm import ConfirmPolicy

PATIENCE_S = 180.0
CASES = 40
MOST_STARTS = 3


def _firmware(lab: Lab) -> Path:
    for tool in ("make", "arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            raise Skip(f"{tool} is not installed")
    return made(lab, "hanging-board", build_hanging_board) / ELF


class Board:
    """One emulated board."""

    def __init__(self) -> None:
        self.instance = f"faults-{os.getpid()}"
        self.address = emulate.start(BOARD, instance=self.instance, reset=True).address

    def lose_power(self) -> None:
        """And get it back."""
        emulate.stop(BOARD, instance=self.instance)
        self.address = emulate.start(BOARD, instance=self.instance).address

    def device(self) -> Device:
        return Device(TcpLink(self.address), self.address, lambda: TcpLink(self.address))

    def end(self) -> None:
        emulate.stop(BOARD, instance=self.instance)

    def told(self) -> dict[str, Any]:
        with self.device() as device:
            return device.client.request(contract.RELEASES, {}, 10.0)

    def until(self, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What it tells once it is so; while it hangs it says nothing."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                found = self.told()
            except EdgeqError:
                continue
            if done(found):
                return found
            time.sleep(0.1)
        raise AssertionError("the board did not come back")


@contextmanager
def _board(lab: Lab) -> Iterator[Board]:
    """With erased flash."""
    before, os.environ[VARIABLE] = os.environ.get(VARIABLE), str(_firmware(lab))
    board = Board()
    try:
        yield board
    finally:
        board.end()
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _bundle(folder: Path, name: str, policy: ConfirmPolicy | None = None) -> Bundle:
    def edit(image: bytearray) -> None:
        if policy is not None:
            image[84:96] = policy_bytes(policy)

    return make_mcu_bundle(folder / name, name=name, target=BOARD, arch="armv7e-m", edit=edit)


def _try(device: Device, bundle: Bundle) -> int:
    """Begin the trial of a bundle, and do not wait for what comes of it."""
    image = bundle.manifest["files"]["image.eqi"]["sha256"]
    for digest, name in ((image, "image.eqi"), (bundle.digest, "manifest.json")):
        device.put(digest, bundle.path(name).read_bytes(), 0, lambda _: None)
    n = device.stage(bundle.digest, [])
    device.client.request(contract.ACTIVATE, {"n": n})
    return n


def _serves(board: Board, name: str) -> None:
    with board.device() as device:
        serving = device.installed().serving
        assert serving and serving.name == name and serving.state == "confirmed", f"{serving} serves, not {name}"
        assert device.selftest()["worst"] == 0


def _hangs(board: Board, folder: Path, number: int) -> str:
    """A trial whose model hangs: restart after restart, and then back."""
    policy = ConfirmPolicy(starts=number % MOST_STARTS, window_s=60)
    with board.device() as device:
        n = _try(device, _bundle(folder, "hang", policy))
    return _reverted(board, n)


def _reverted(board: Board, n: int) -> str:
    found = board.until(lambda found: found["trial"] is None)
    states = {item["n"]: item for item in found["releases"]}
    assert found["current"] == 1 and states[n]["state"] == "bad", found
    assert "restarted" in states[n]["why"], states[n]
    return "good"


def _loses_power_on_trial(board: Board, folder: Path, number: int) -> str:
    """A trial that goes well, on a board that loses power more often than the policy allows."""
    starts = number % MOST_STARTS
    with board.device() as device:
        n = _try(device, _bundle(folder, "next", ConfirmPolicy(starts=starts, window_s=600)))
    board.until(lambda found: found["trial"] == n)
    for _ in range(starts):
        board.lose_power()
        board.until(lambda found: found["trial"] == n)
    board.lose_power()
    return _reverted(board, n)


def _is_interrupted(board: Board, folder: Path, number: int, *, power: bool) -> str:
    """The link ends in the middle of an upload, and the board starts anew: what served serves, and the same command
    again does not begin a third time."""
    other = _bundle(folder, "other")
    size = other.path("image.eqi").stat().st_size
    at = 200 + (2 * number + 1) * size // (2 * CASES // 4)
    with Proxy(*parse_tcp(board.address), up=Faults(close_at=at)) as proxy:
        address = f"tcp://127.0.0.1:{proxy.port}"
        try:
            with Device(TcpLink(address), address) as device:
                deploy(other, device)
        except EdgeqError as error:
            assert error.exit_code == 4, error
            serves = "good"
        else:
            serves = "other"
    if power:
        board.lose_power()
    else:
        with board.device() as device:
            device.reset()
    return serves


WAYS: tuple[Callable[[Board, Path, int], str], ...] = (
    _hangs,
    lambda board, folder, number: _is_interrupted(board, folder, number, power=True),
    lambda board, folder, number: _is_interrupted(board, folder, number, power=False),
    _loses_power_on_trial,
)
"""What happens to a board on which "good" serves; the answer is the name of what serves then."""


def case(lab: Lab, number: int) -> None:
    turn, way = divmod(number, len(WAYS))
    folder = lab.new()
    with _board(lab) as board:
        with board.device() as device:
            deploy(_bundle(folder, "good"), device)
        _serves(board, WAYS[way](board, folder, turn))
        with board.device() as device:
            deploy(_bundle(folder, "last"), device)
        _serves(board, "last")


ROW = Row(
    name="board",
    what="emulated microcontroller: models that hang (watchdog), power cuts on trial, power cuts and resets in uploads",
    cases=lambda _lab: CASES,
    case=case,
    reduced=8,
)
