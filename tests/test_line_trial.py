"""Trials of a microcontroller over a line: watched to the end, through power cuts, ended by somebody's word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcu import Process, make_mcu_bundle

from edgeq.bundle import Bundle, write_bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.errors import GateFailed
from edgeq.micro.policy import policy_bytes
from edgeq.rollback import rollback
from edgeq.transaction import trial
from edgeq.transaction.confirm import ConfirmPolicy
from edgeq.verify import verify

POLICY = slice(84, 96)


@pytest.fixture
def board(firmware_process: Path, tmp_path: Path) -> Iterator[Process]:
    process = Process(firmware_process, tmp_path / "flash.bin")
    yield process
    process.kill()


def made(device: Device, folder: Path, name: str, **policy: float) -> Bundle:
    """A bundle for the board, with something asked of its trial."""
    facts = device.describe()
    confirm = ConfirmPolicy(**policy)  # type: ignore[arg-type]

    def edit(image: bytearray) -> None:
        image[POLICY] = policy_bytes(confirm)

    bundle = make_mcu_bundle(folder / name, name=name, target=facts["target"], arch=facts["arch"], edit=edit)
    members = {member: bundle.path(member).read_bytes() for member in bundle.files}
    return write_bundle(folder / f"{name}-asked", members, {**bundle.manifest, "confirm": confirm.to_json()})


def test_it_is_watched_until_the_board_has_confirmed(board: Process, tmp_path: Path) -> None:
    lines: list[str] = []
    with open_device(board.address) as device:
        bundle = made(device, tmp_path, "m", window_s=2)
        done = deploy(bundle, device, lines.append)
        assert (done.state, done.golden["vectors"]) == ("confirmed", 4)
        assert any(line.startswith("watch: on trial") for line in lines)
        assert "confirm: release 1 is confirmed" in lines
        found = verify(device)
        assert (found.damaged, [item.sound for item in found.releases]) == ((), [True])


def test_a_board_that_starts_too_often_goes_back_and_the_watch_tells(board: Process, tmp_path: Path) -> None:
    with open_device(board.address) as device:
        deploy(made(device, tmp_path, "old"), device)
        bundle = made(device, tmp_path, "new", window_s=600)
        done = deploy(bundle, device, watch=False)
        assert done.state == "trial"
    for _ in range(2):
        board.kill()
        board.start()
        with open_device(board.address) as device:
            device.installed()  # it is up: this start counts
    with open_device(board.address) as device:
        with pytest.raises(GateFailed, match=r"went back from release 2 \(new"):
            trial.watch(device, done.n, ConfirmPolicy(window_s=600), lambda *_: None)
        serving = device.installed().serving
        assert serving is not None and serving.name == "old"


def test_a_word_ends_it(board: Process, tmp_path: Path) -> None:
    with open_device(board.address) as device:
        deploy(made(device, tmp_path, "old"), device)
        deploy(made(device, tmp_path, "one", window_s=600), device, watch=False)
        assert trial.confirm(device).state == "confirmed"
        deploy(made(device, tmp_path, "two", window_s=600), device, watch=False)
        rejected, serving = trial.reject(device)
        assert rejected.name == "two" and serving is not None and serving.name == "one"
        deploy(made(device, tmp_path, "three"), device)
        assert rollback(device).now.name == "one"
