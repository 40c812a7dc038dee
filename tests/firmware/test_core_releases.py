"""What the slots do, call by call: arriving, staging, trying, confirming, going back, and every refusal."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import pytest
from cdrive import Ask

from edgeq.protocol.status import Status

NEW_FLASH, OPEN, RECEIVE, STAGE, TRY, CONFIRM, REVERT, ROLLBACK, DAMAGE, ERASE, RESUME = range(11)
EMPTY, BAD, INCOMING, ARRIVED, STAGED, CONFIRMED, TRIAL = range(7)
IMAGE, MANIFEST = 0, 1
DAMAGED, SELFTEST, RESTARTED = 1, 3, 4
NONE = 2
SLOT_BYTES, SECTOR_BYTES = 640, 128


@dataclass(frozen=True)
class Seen:
    """The answer to one call: its status, the wanted offset after a piece, and what is so then."""

    status: int
    wanted: int
    serving: int
    previous: int
    inbox: int
    next: int
    security_version: int
    states: tuple[int, int]
    numbers: tuple[int, int]
    whys: tuple[int, int]
    starts: int


class Slots:
    """The C slots over simulated flash."""

    def __init__(self, drive: Ask, write_bytes: int = 8) -> None:
        self._drive = drive
        assert self.call(NEW_FLASH, write_bytes).status == 0

    def call(self, kind: int, first: int = 0, second: int = 0, blob: bytes = bytes(36), data: bytes = b"") -> Seen:
        status, answer = self._drive("step", struct.pack("<3I", kind, first, second) + blob + data)
        wanted, serving, previous, inbox, _, number, security_version = struct.unpack_from("<7I", answer)
        numbers = (struct.unpack_from("<I", answer, 52)[0], struct.unpack_from("<I", answer, 128)[0])
        states, whys = (answer[28], answer[29]), (answer[31], answer[32])
        (starts,) = struct.unpack_from("<H", answer, 34)
        return Seen(-status, wanted, serving, previous, inbox, number, security_version, states, numbers, whys, starts)

    def send(self, part: int, data: bytes, start: int = 0, end: int | None = None, piece: int = 100) -> Seen:
        """Pieces of a blob, from `start` to `end`; what the last one was answered."""
        blob = struct.pack("<I", len(data)) + hashlib.sha256(data).digest()
        for at in range(start, len(data) if end is None else end, piece):
            seen = self.call(RECEIVE, part, at, blob, data[at : min(at + piece, len(data) if end is None else end)])
            if seen.status:
                break
        return seen

    def install(self, image: bytes, manifest: bytes = b"{}", security_version: int = 0) -> Seen:
        """Send, stage, try, confirm."""
        self.send(IMAGE, image)
        slot = self.send(MANIFEST, manifest).inbox
        assert [self.call(kind, slot).status for kind in (STAGE, TRY)] == [0, 0]
        return self.call(CONFIRM, security_version)


def content(seed: int, size: int = 300) -> bytes:
    return bytes((seed * 31 + i * 7) % 253 for i in range(size))


@pytest.mark.parametrize("write_bytes", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("piece", [1, 37, 128, 640])
def test_from_pieces_to_a_release_that_serves(drive: Ask, write_bytes: int, piece: int) -> None:
    slots = Slots(drive, write_bytes)
    seen = slots.send(IMAGE, content(1), piece=piece)
    assert (seen.status, seen.wanted, seen.states[0]) == (0, 300, ARRIVED)
    seen = slots.send(MANIFEST, content(2, 130), piece=piece)
    assert (seen.status, seen.wanted, seen.states[0]) == (0, 130, ARRIVED)
    assert slots.call(STAGE, 0).states[0] == STAGED
    seen = slots.call(TRY, 0)
    assert (seen.states[0], seen.serving) == (TRIAL, 0)
    seen = slots.call(CONFIRM)
    assert (seen.status, seen.states[0], seen.serving, seen.previous, seen.numbers[0]) == (0, CONFIRMED, 0, NONE, 1)


def test_releases_take_turns_and_numbers_grow(drive: Ask) -> None:
    slots = Slots(drive)
    for n in range(1, 12):
        seen = slots.install(content(n))
        assert (seen.serving, seen.numbers[seen.serving], seen.next) == ((n - 1) % 2, n, n + 1)
        assert slots.call(OPEN).serving == seen.serving
    back = slots.call(ROLLBACK)
    assert (back.status, back.serving, back.previous) == (0, seen.previous, seen.serving)
    assert slots.call(ROLLBACK).serving == seen.serving


def test_a_trial_that_ends_badly_leaves_the_former_one(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.send(IMAGE, content(2))
    slots.call(STAGE, 1)
    assert slots.call(TRY, 1).serving == 1
    seen = slots.call(REVERT)
    assert (seen.states, seen.serving) == ((CONFIRMED, BAD), 0)
    assert slots.call(TRY, 1).status == Status.STATE
    assert slots.call(ROLLBACK).status == Status.STATE


def test_a_trial_survives_as_many_restarts_as_it_may(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.send(IMAGE, content(2))
    slots.call(STAGE, 1)
    slots.call(TRY, 1)
    for start in (1, 2):
        assert slots.call(OPEN).states == (CONFIRMED, TRIAL)
        seen = slots.call(RESUME, 2)
        assert (seen.status, seen.states, seen.serving, seen.starts) == (0, (CONFIRMED, TRIAL), 1, start)
    for _ in range(2):
        slots.call(OPEN)
        seen = slots.call(RESUME, 2)
        assert (seen.status, seen.states, seen.serving) == (Status.STATE, (CONFIRMED, BAD), 0)
        assert seen.whys == (0, RESTARTED)
    assert slots.call(RESUME, 2).status == Status.NOT_FOUND


def test_a_trial_that_may_see_no_restart_is_bad_after_one(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.send(IMAGE, content(2))
    slots.call(STAGE, 1)
    slots.call(TRY, 1)
    slots.call(OPEN)
    assert slots.call(RESUME, 0).states == (CONFIRMED, BAD)


def test_each_trial_counts_its_own_restarts(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    for n in (2, 3):
        slots.send(IMAGE, content(n))
        slots.call(STAGE, 1)
        assert slots.call(TRY, 1).starts == 0
        slots.call(OPEN)
        assert slots.call(RESUME, 1).starts == 1
        slots.call(REVERT, SELFTEST)


def test_a_damaged_trial_does_not_go_on(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.send(IMAGE, content(2))
    slots.call(STAGE, 1)
    slots.call(TRY, 1)
    slots.call(DAMAGE, 1)
    slots.call(OPEN)
    seen = slots.call(RESUME, 9)
    assert (seen.status, seen.states, seen.whys) == (Status.DIGEST, (CONFIRMED, BAD), (0, DAMAGED))


def test_why_a_release_is_bad_is_kept_until_another_comes(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.send(IMAGE, content(2))
    slots.call(STAGE, 1)
    slots.call(TRY, 1)
    assert slots.call(REVERT, SELFTEST).whys == (0, SELFTEST)
    assert slots.call(OPEN).whys == (0, SELFTEST)
    assert slots.send(IMAGE, content(3)).whys == (0, 0)


def test_repeated_late_and_early_pieces_do_no_harm(drive: Ask) -> None:
    slots, image = Slots(drive), content(3)
    assert slots.send(IMAGE, image, 100).wanted == 0
    assert slots.call(OPEN).states == (EMPTY, EMPTY)
    slots.send(IMAGE, image, 0, 200)
    assert slots.send(IMAGE, image, 0, 100).wanted == 200
    assert slots.send(IMAGE, image, 250, 260).wanted == 200
    assert slots.send(IMAGE, image, 200).wanted == 300
    assert slots.send(IMAGE, image, 0, 100).wanted == 300


def test_what_was_promised_otherwise_is_wanted_again(drive: Ask) -> None:
    slots, image = Slots(drive), content(4)
    blob = struct.pack("<I", len(image)) + hashlib.sha256(image).digest()
    seen = slots.call(RECEIVE, IMAGE, 0, blob, image[:-1] + b"!")
    assert (seen.status, seen.wanted, seen.states[0]) == (Status.DIGEST, 0, INCOMING)
    assert slots.call(STAGE, 0).status == Status.NOT_FOUND
    assert slots.send(IMAGE, image).states[0] == ARRIVED


@pytest.mark.parametrize(
    ("off", "size", "length"), [(0, 5, 4), (4, 1, 4), (1 << 31, 1 << 4, 4), (0xFFFFFFFF, 2, 9), (0, 0, 0)]
)
def test_pieces_beyond_their_blob_are_refused(drive: Ask, off: int, size: int, length: int) -> None:
    slots = Slots(drive)
    blob = struct.pack("<I", length) + hashlib.sha256(b"").digest()
    assert slots.call(RECEIVE, IMAGE, off, blob, bytes(size)).status == Status.INVALID
    assert slots.call(OPEN).states == (EMPTY, EMPTY)


def test_what_does_not_fit_is_refused_before_anything_is_erased(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.install(content(2))
    assert slots.send(IMAGE, bytes(SLOT_BYTES + 1), end=100).status == Status.NO_SPACE
    assert slots.call(ROLLBACK).status == 0
    assert slots.send(IMAGE, content(3, SLOT_BYTES)).states == (CONFIRMED, ARRIVED)
    assert slots.send(MANIFEST, b"{}").status == Status.NO_SPACE


def test_a_manifest_comes_behind_its_image(drive: Ask) -> None:
    slots = Slots(drive)
    assert slots.send(MANIFEST, b"{}").status == Status.STATE
    slots.send(IMAGE, content(1), end=100)
    assert slots.send(MANIFEST, b"{}").status == Status.STATE
    slots.send(IMAGE, content(1), 100)
    assert slots.send(MANIFEST, b"{}").status == 0


def test_another_manifest_for_the_image_that_is_there(drive: Ask) -> None:
    slots = Slots(drive)
    slots.send(IMAGE, content(1))
    slots.send(MANIFEST, b"one")
    slots.call(STAGE, 0)
    assert slots.send(MANIFEST, b"two").states[0] == STAGED  # it goes to the other slot, which has no image
    slots = Slots(drive)
    slots.install(content(9))
    slots.send(IMAGE, content(1))
    slots.send(MANIFEST, b"one")
    slots.call(STAGE, 1)
    seen = slots.send(MANIFEST, b"two")
    assert (seen.status, seen.states) == (0, (CONFIRMED, ARRIVED))
    assert slots.call(STAGE, 1).numbers[1] == 3


def test_an_image_that_is_arriving_gives_way_to_another(drive: Ask) -> None:
    slots = Slots(drive)
    slots.send(IMAGE, content(1), end=100)
    assert slots.send(IMAGE, content(2)).states == (ARRIVED, EMPTY)
    assert slots.send(IMAGE, content(1), 100).wanted == 0


def test_a_restart_resumes_in_the_sector_that_was_written_last(drive: Ask) -> None:
    slots, image = Slots(drive), content(5, 500)
    slots.send(IMAGE, image, end=300)
    slots.call(OPEN)
    assert slots.send(IMAGE, image, 300).wanted == 2 * SECTOR_BYTES
    assert slots.send(IMAGE, image, 2 * SECTOR_BYTES).states[0] == ARRIVED


def test_staging_twice_is_one_release(drive: Ask) -> None:
    slots = Slots(drive)
    slots.send(IMAGE, content(1))
    assert slots.call(STAGE, 0).numbers[0] == slots.call(STAGE, 0).numbers[0] == 1
    assert slots.call(STAGE, 1).status == slots.call(STAGE, 2).status == Status.NOT_FOUND


def test_no_blob_arrives_during_a_trial(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.send(IMAGE, content(2))
    slots.call(STAGE, 1)
    slots.call(TRY, 1)
    assert slots.send(IMAGE, content(3)).status == Status.STATE
    assert slots.call(TRY, 0).status == slots.call(ROLLBACK).status == Status.STATE


@pytest.mark.parametrize("kind", [CONFIRM, REVERT, ROLLBACK])
def test_without_a_trial_or_a_former_release(drive: Ask, kind: int) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    assert slots.call(kind).status == Status.STATE


def test_a_damaged_release_does_not_serve_after_a_restart(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.install(content(2))
    slots.call(DAMAGE, 1)
    seen = slots.call(OPEN)
    assert (seen.states, seen.serving) == ((CONFIRMED, BAD), 0)
    slots.call(DAMAGE, 0)
    assert slots.call(OPEN).serving == NONE


def test_a_damaged_former_release_is_not_gone_back_to(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.install(content(2))
    slots.call(DAMAGE, 0)
    assert slots.call(ROLLBACK).status == Status.DIGEST
    assert slots.call(OPEN).serving == 1


def test_the_security_version_only_grows(drive: Ask) -> None:
    slots = Slots(drive)
    assert slots.install(content(1), security_version=5).security_version == 5
    assert slots.install(content(2), security_version=3).security_version == 5
    assert slots.call(OPEN).security_version == 5


def test_erasing_takes_what_does_not_serve_and_nothing_else(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1), security_version=3)
    slots.install(content(2), security_version=3)
    assert slots.call(ERASE, 1).status == Status.STATE
    seen = slots.call(ERASE, 0)
    assert (seen.status, seen.states) == (0, (EMPTY, CONFIRMED))
    assert (seen.wanted, seen.serving, seen.previous) == (SLOT_BYTES, 1, NONE)
    assert slots.call(ROLLBACK).status == Status.STATE
    assert slots.call(ERASE, 2).status == Status.STATE
    seen = slots.call(OPEN)
    assert (seen.states, seen.serving, seen.previous) == ((EMPTY, CONFIRMED), 1, NONE)
    seen = slots.install(content(1), security_version=3)
    assert (seen.serving, seen.previous, seen.numbers) == (0, 1, (3, 2))


@pytest.mark.parametrize("end", [100, 300])
def test_erasing_what_arrives_means_that_it_is_wanted_from_the_start(drive: Ask, end: int) -> None:
    slots, image = Slots(drive), content(6)
    slots.install(content(1))
    slots.send(IMAGE, image, end=end)
    assert slots.call(ERASE, 1).states == (CONFIRMED, EMPTY)
    assert slots.send(IMAGE, image, 100, 200).wanted == 0
    assert slots.send(IMAGE, image).states == (CONFIRMED, ARRIVED)


def test_nothing_is_erased_during_a_trial(drive: Ask) -> None:
    slots = Slots(drive)
    slots.install(content(1))
    slots.send(IMAGE, content(2))
    slots.call(STAGE, 1)
    slots.call(TRY, 1)
    assert slots.call(ERASE, 0).status == slots.call(ERASE, 1).status == Status.STATE
    assert slots.call(REVERT).serving == 0
    assert slots.call(ERASE, 1).states == (CONFIRMED, EMPTY)


def test_an_erased_slot_may_be_erased_again(drive: Ask) -> None:
    slots = Slots(drive)
    assert [slots.call(ERASE, slot).states for slot in (0, 1, 0)] == [(EMPTY, EMPTY)] * 3


L4, H7, F7, NRF52, RP2040 = range(1, 6)


@pytest.mark.parametrize(("part", "fits"), [(L4, 512), (H7, 2048), (F7, 640), (NRF52, 768), (RP2040, 1536)])
@pytest.mark.parametrize("piece", [61, 256, 4096])
def test_a_release_takes_any_slot_of_any_part(drive: Ask, part: int, fits: int, piece: int) -> None:
    slots = Slots(drive)
    slots.call(NEW_FLASH, 0, part)
    for n in (1, 2, 3):
        assert slots.send(IMAGE, content(n, fits), piece=piece).status == 0
        slot = slots.send(MANIFEST, content(n + 9, 128), piece=piece).inbox
        assert [slots.call(kind, slot).status for kind in (STAGE, TRY)] == [0, 0]
        assert slots.call(CONFIRM).serving == slot == (n - 1) % 2
        assert slots.call(OPEN).serving == slot


def test_what_fits_does_not_depend_on_which_slot_is_free(drive: Ask) -> None:
    slots = Slots(drive)
    slots.call(NEW_FLASH, 0, F7)
    for n in (1, 2):  # the first slot has sectors of 128, 512 and 1024 bytes, the second two of 1024
        assert slots.send(IMAGE, content(n, 1665), end=61).status == Status.NO_SPACE
        assert slots.send(IMAGE, content(n, 1025)).status == 0
        assert slots.send(MANIFEST, bytes(641)).status == Status.NO_SPACE
        slots.install(content(n, 1024))
