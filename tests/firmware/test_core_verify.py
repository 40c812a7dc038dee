"""`verify` on a microcontroller: what is damaged in flash is told, release by release, and nothing changes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest
from mcu import BOARD, Process
from ownboard import HUSH, Board
from service import SLOTS, bundle_for
from signers import Signer
from test_core_board import serve
from test_signature_device import ONE, STRANGER, image, install, running
from test_trials import begin

from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.emulate.launch_board import FLASH
from edgeq.emulate.state import folder_of
from edgeq.errors import DeviceError
from edgeq.protocol import contract
from edgeq.transaction.confirm import ConfirmPolicy
from edgeq.verify import Checked, verify

SECTOR = 4096


def flip(flash: Path, at: int) -> None:
    """One bit, under the running device."""
    with flash.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def install_two(device: Device, folder: Path) -> tuple[int, int]:
    """Releases 1 and 2 serve in turn, from slots 0 and 1; the lengths of their images."""
    bundles = [bundle_for(device, folder, name) for name in ("first", "second")]
    assert [deploy(bundle, device).n for bundle in bundles] == [1, 2]
    first, second = (bundle.path("image.eqi").stat().st_size for bundle in bundles)
    return first, second


def found(device: Device) -> dict[int, Checked]:
    return {item.release.n: item for item in verify(device).releases}


def test_what_is_sound_is_told_so(device: Device, tmp_path: Path) -> None:
    install_two(device, tmp_path)
    answer = verify(device)
    assert [(item.release.n, item.sound, item.why, item.needed) for item in answer.releases] == [
        (1, True, "", True),
        (2, True, "", True),
    ]
    assert (answer.golden["vectors"] > 0, answer.golden["worst"], answer.damaged) == (True, 0, ())
    assert "edgeq-micro" in answer.golden["runtime"]


def test_a_device_without_releases_has_none(device: Device) -> None:
    assert device.verify() == {"releases": []}


@pytest.mark.parametrize("part", ["image", "manifest"])
@pytest.mark.parametrize("n", [1, 2])
def test_a_flipped_bit_is_found(process: Process, tmp_path: Path, n: int, part: str) -> None:
    with open_device(process.address) as device:
        lengths = install_two(device, tmp_path)
        behind = -(-lengths[n - 1] // SECTOR) * SECTOR
        flip(process.flash, SLOTS[n - 1] + (behind + 5 if part == "manifest" else lengths[n - 1] - 20))
        answer = verify(device)
        (damaged,) = answer.damaged
        assert (damaged.release.n, damaged.release.serving) == (n, n == 2)
        assert damaged.why == f"the release's {part} is damaged in flash"
        assert bool(answer.golden) == (n == 1)
        assert found(device)[3 - n].sound
        assert [(item.n, item.state) for item in device.releases()] == [(1, "confirmed"), (2, "confirmed")]
        assert deploy(bundle_for(device, tmp_path, "second" if n == 2 else "third"), device).n == 3
        assert verify(device).damaged == ()


def test_a_release_that_a_start_found_bad_is_told_as_what_it_is(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        install_two(device, tmp_path)
    process.kill()
    flip(process.flash, SLOTS[1] + 700)
    process.start()
    with open_device(process.address) as device:
        items = found(device)
        assert (items[1].sound, items[1].release.serving) == (True, True)
        assert (items[2].sound, items[2].needed, items[2].release.state) == (False, False, "bad")
        assert "damaged" in items[2].release.why


def test_a_deploy_of_the_same_bundle_repairs_the_only_release(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        bundle = bundle_for(device, tmp_path, "only")
        deploy(bundle, device)
        flip(process.flash, SLOTS[0] + 700)
        assert [item.release.n for item in verify(device).damaged] == [1]
        assert deploy(bundle, device).n == 2
        assert verify(device).damaged == ()


def test_it_is_work_in_pieces_during_which_the_watchdog_is_fed(library: ctypes.CDLL) -> None:
    board = Board(library)
    device = serve(board)
    board.watchdog.clear()
    assert device.verify()["releases"] == [{"n": 1, "sound": True}]
    assert board.watchdog.count("feed") > 1000 // 256


def test_a_trial_goes_on(library: ctypes.CDLL) -> None:
    board, device = begin(library, ConfirmPolicy(window_s=10))
    assert [item["sound"] for item in device.verify()["releases"]] == [True, True]
    board.damage(1, 700)
    assert device.verify()["releases"][1]["sound"] is False
    assert [item.state for item in device.releases()] == ["confirmed", "trial"]


def spoil(board: Board) -> None:
    """A core whose memory changes under it: each op ends with other numbers in the arena."""

    def hush(_context: None, on: int) -> None:
        if not on:
            ctypes.memset(board.config.arena, 0x55, board.config.arena_bytes)

    board.config.hush = HUSH(hush)


def shrink(board: Board) -> None:
    board.config.arena_bytes = 16
    board.restart()


@pytest.mark.parametrize(("harm", "why"), [(spoil, "golden vector"), (shrink, "larger arena")])
def test_what_serves_is_tested(library: ctypes.CDLL, harm: Callable[[Board], None], why: str) -> None:
    board = Board(library)
    device = serve(board)
    harm(board)
    answer = device.verify()
    assert list(answer) == ["releases"]
    (only,) = answer["releases"]
    assert (only["sound"], why in only["why"]) == (False, True)
    assert [item.state for item in device.releases()] == ["confirmed"]


def test_a_repeated_request_is_one_job(library: ctypes.CDLL) -> None:
    board = Board(library)
    serve(board)
    first = board.ask(contract.VERIFY, {})
    assert first is not None and first == board.ask(contract.VERIFY, {})


@pytest.mark.parametrize(("signer", "sound"), [(ONE, True), (STRANGER, False)])
def test_signatures_count_where_the_device_has_keys(tmp_path: Path, signer: Signer, sound: bool) -> None:
    """The release to go back to was signed when the firmware had other keys, or none."""
    flash = tmp_path / "flash.bin"
    with running("none", flash) as device:
        install(device, image(signer, name="before"), "a")
        install(device, image(ONE), "b")
    with running("one", flash) as device:
        items = found(device)
        assert (items[2].sound, items[2].release.serving) == (True, True)
        assert (items[1].sound, items[1].needed) == (sound, True)
        assert items[1].why == ("" if sound else "the image is not signed as the keys of this device ask")
        assert [item.get("signed") for item in device.verify()["releases"]] == [
            [ONE.id[:16]] if sound else None,
            [ONE.id[:16]],
        ]


def test_what_is_damaged_is_no_longer_taken_for_signed(tmp_path: Path) -> None:
    flash = tmp_path / "flash.bin"
    with running("one", flash) as device:
        data = image(ONE)
        install(device, data)
        flip(flash, SLOTS[0] + len(data) - 20)
        assert [item["sound"] for item in device.verify()["releases"]] == [False]
        with pytest.raises(DeviceError, match="signed"):
            device.bench(1, 0, 0)


@pytest.mark.slow
def test_the_emulated_board_finds_a_flipped_bit(board: Device, tmp_path: Path) -> None:
    lengths = install_two(board, tmp_path)
    answer = verify(board)
    assert (answer.damaged, answer.golden["worst"]) == ((), 0)
    flip(folder_of(BOARD) / FLASH, SLOTS[0] + lengths[0] - 20)
    (damaged,) = verify(board).damaged
    assert (damaged.release.n, damaged.release.previous, damaged.sound) == (1, True, False)
