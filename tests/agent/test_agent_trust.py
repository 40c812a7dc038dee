"""The device's keys: every change of a signed manifest is refused, keys rotate, damage never means "no keys"."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from signers import Signer, envelope, signed, trust

from edgeq.agent import files
from edgeq.agent.errors import Refused
from edgeq.agent.trust import Trust
from edgeq.protocol.status import Status

ALICE, BOB, CAROL, DAVE, EVE = (Signer(name) for name in ("alice", "bob", "carol", "dave", "eve"))
MANIFEST = (json.dumps({"name": "digits", "files": {"model.tflite": {"sha256": "0" * 64}}}, indent=1) + "\n").encode()


@pytest.fixture
def device(tmp_path: Path) -> Trust:
    """A device with one builder and one approver, both needed."""
    found = Trust(tmp_path)
    assert found.install(*signed(trust([ALICE], [BOB]), ALICE, BOB)) == 1
    return found


@contextmanager
def refused(status: Status, words: str) -> Iterator[None]:
    with pytest.raises(Refused, match=words) as caught:
        yield
    assert caught.value.status == status
    assert len(caught.value.reason) < 500, "a reason travels whole"


def test_without_keys_everything_passes(tmp_path: Path) -> None:
    device = Trust(tmp_path)
    assert (device.required, device.version, device.damaged) == (False, 0, "")
    assert device.check(MANIFEST, None) == device.check(MANIFEST, b"junk") == []


def test_with_keys_only_what_is_signed_passes(device: Trust, tmp_path: Path) -> None:
    for each in (device, Trust(tmp_path)):
        assert (each.required, each.version) == (True, 1)
        for whole in (True, False):
            good = envelope(MANIFEST, ALICE, BOB, whole=whole).encode()
            assert each.check(MANIFEST, good) == sorted([ALICE.id, BOB.id])
        with refused(Status.SIGNATURE, "is not signed, and this device takes only signed ones"):
            each.check(MANIFEST, None)
        with refused(Status.SIGNATURE, "0 of 1 needed signatures of the role approver"):
            each.check(MANIFEST, envelope(MANIFEST, ALICE).encode())


def test_every_flipped_bit_of_a_manifest_is_refused(device: Trust) -> None:
    """Both with the payload in the envelope, where bytes are compared, and without, where the signature decides."""
    whole = envelope(MANIFEST, ALICE, BOB).encode()
    detached = envelope(MANIFEST, ALICE, BOB, whole=False).encode()
    for bit in range(8 * len(MANIFEST)):
        flipped = bytearray(MANIFEST)
        flipped[bit // 8] ^= 1 << bit % 8
        with refused(Status.SIGNATURE, "signs something else"):
            device.check(bytes(flipped), whole)
        if bit % 8 == 0:
            with refused(Status.SIGNATURE, "is wrong"):
                device.check(bytes(flipped), detached)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "detached"])
def test_every_flipped_bit_of_an_envelope_is_refused(device: Trust, whole: bool) -> None:
    good = envelope(MANIFEST, ALICE, BOB, whole=whole).encode()
    for bit in range(
        0, 8 * len(good), 3 if whole else 1
    ):  # 3 and 8 have no divisor: every place of a byte has its turn
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        with refused(Status.SIGNATURE, "."):
            device.check(MANIFEST, bytes(flipped))


def test_every_shorter_envelope_and_manifest_is_refused(device: Trust) -> None:
    good = envelope(MANIFEST, ALICE, BOB).encode()
    for end in range(len(good) - 1):  # the last byte is a newline
        with refused(Status.SIGNATURE, "."):
            device.check(MANIFEST, good[:end])
    for end in range(len(MANIFEST)):
        with refused(Status.SIGNATURE, "."):
            device.check(MANIFEST[:end], good)


def test_an_older_manifest_keeps_its_signature(device: Trust) -> None:
    """A signature does not age: replay is judged by `security_version`, which it covers; see the state's tests."""
    older, newer = (MANIFEST.replace(b"digits", name) for name in (b"older", b"newer"))
    assert device.check(older, envelope(older, ALICE, BOB).encode())
    with refused(Status.SIGNATURE, "signs something else"):
        device.check(newer, envelope(older, ALICE, BOB).encode())


def test_keys_rotate_with_the_signatures_of_old_and_new(device: Trust, tmp_path: Path) -> None:
    new = trust([CAROL], [DAVE], version=2, revoked=[ALICE])
    for who, words in [
        ((CAROL, DAVE), "as the present one asks: 0 of 1 .* builder"),
        ((CAROL, DAVE, ALICE), "as the present one asks: 0 of 1 .* approver"),
        ((CAROL, DAVE, BOB), "as the present one asks: 0 of 1 .* builder"),
        ((ALICE, BOB, CAROL), "as the new one asks: 0 of 1 .* approver"),
        ((ALICE, BOB), "as the new one asks"),
        ((EVE,), "as the present one asks"),
    ]:
        with refused(Status.SIGNATURE, words):
            device.install(*signed(new, *who))
        assert (device.version, Trust(tmp_path).version) == (1, 1)
    assert device.install(*signed(new, ALICE, BOB, CAROL, DAVE)) == 2
    for each in (device, Trust(tmp_path)):
        assert each.version == 2
        assert each.check(MANIFEST, envelope(MANIFEST, CAROL, DAVE).encode())
        with refused(Status.SIGNATURE, r"\(alice\) is revoked"):
            each.check(MANIFEST, envelope(MANIFEST, ALICE, DAVE).encode())
        with refused(Status.SIGNATURE, f"key {BOB.id[:12]} is not known"):
            each.check(MANIFEST, envelope(MANIFEST, CAROL, BOB).encode())


def test_old_documents_do_not_come_back(device: Trust) -> None:
    first, second = signed(trust([ALICE], [BOB]), ALICE, BOB), signed(trust([ALICE], [BOB], version=2), ALICE, BOB)
    assert device.install(*second) == 2
    with refused(Status.STATE, "version 1 does not follow version 2"):
        device.install(*first)
    fork = signed(trust([ALICE, CAROL], [BOB], version=2), ALICE, BOB)
    with refused(Status.STATE, "version 2 does not follow version 2"):
        device.install(*fork)
    assert device.install(*second) == 2, "the same again converges"


def test_a_revoked_key_does_not_come_back(device: Trust) -> None:
    assert device.install(*signed(trust([CAROL], [BOB], version=2, revoked=[ALICE]), ALICE, BOB, CAROL)) == 2
    with refused(Status.STATE, r"\(alice\) is revoked for good"):
        device.install(*signed(trust([CAROL, ALICE], [BOB], version=3), CAROL, BOB))


def test_the_first_document_must_be_signed_by_its_own_keys(tmp_path: Path) -> None:
    """Nobody provisions keys that nobody holds."""
    device = Trust(tmp_path)
    with refused(Status.SIGNATURE, "as the new one asks"):
        device.install(*signed(trust([ALICE], [BOB]), ALICE))
    with refused(Status.INVALID, "no trust document"):
        device.install(b"{}", envelope(b"{}", ALICE).encode())
    assert not device.required
    assert not device.path.exists()


def test_a_newer_schema_is_told(tmp_path: Path) -> None:
    document, seal = signed(trust([ALICE]), ALICE)
    with refused(Status.NEWER, "schema 2"):
        Trust(tmp_path).install(document.replace(b'"schema": 1', b'"schema": 2'), seal)


def test_a_manifest_is_no_trust_document(device: Trust) -> None:
    """A signature that was given for one is worth nothing for the other."""
    new = trust([ALICE, EVE], [BOB], version=2).encode()
    with refused(Status.SIGNATURE, "signs 'application/vnd.edgeq.manifest"):
        device.install(new, envelope(new, ALICE, BOB, whole=False).encode())


def test_every_damage_of_the_file_refuses_everything_new(device: Trust, tmp_path: Path) -> None:
    good = device.path.read_bytes()
    seal = envelope(MANIFEST, ALICE, BOB).encode()
    damages = [b"", b"{}", b"\0" * len(good), good[:-1], good[: len(good) // 2], b"[" * 100_000, b'{"schema": 2}']
    position = good.index(ALICE.public.hex().encode())
    damages += [good[:position] + BOB.public.hex().encode() + good[position + 64 :]]
    for damage in damages:
        device.path.write_bytes(damage)
        broken = Trust(tmp_path)
        assert broken.required
        assert broken.damaged
        for attempt in (seal, None):
            with refused(Status.SIGNATURE, "is damaged, so nothing new is taken"):
                broken.check(MANIFEST, attempt)
        with refused(Status.SIGNATURE, "is damaged"):
            broken.install(*signed(trust([EVE]), EVE))
        assert device.path.read_bytes() == damage
    device.path.write_bytes(good)
    assert Trust(tmp_path).check(MANIFEST, seal)


def test_every_flipped_byte_of_the_file_is_noticed_or_changes_nothing(device: Trust, tmp_path: Path) -> None:
    good = device.path.read_bytes()
    strangers = envelope(MANIFEST, EVE).encode()
    for place in range(len(good)):
        flipped = bytearray(good)
        flipped[place] ^= 1
        device.path.write_bytes(bytes(flipped))
        broken = Trust(tmp_path)
        assert broken.required
        with refused(Status.SIGNATURE, "."):
            broken.check(MANIFEST, strangers)


@pytest.mark.parametrize("kind", ["dangling link", "link", "folder", "fifo", "no permission"])
def test_a_file_that_cannot_be_read_is_damage(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "trust.json"
    elsewhere = tmp_path / "elsewhere"
    if kind == "link":
        elsewhere.write_text("{}")
    if "link" in kind:
        path.symlink_to(elsewhere)
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("{}")
        path.chmod(0)
    assert Trust(tmp_path).required
    with refused(Status.SIGNATURE, "is damaged"):
        Trust(tmp_path).check(MANIFEST, None)


@pytest.mark.parametrize("step", ["write", "rename", "folder"])
def test_after_an_error_of_the_storage_the_truth_is_told(
    device: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Before the rename the old keys hold, after it the new ones, although it is not known to be durable."""
    new = signed(trust([ALICE], [BOB], version=2), ALICE, BOB)

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error", "trust.json")

    with monkeypatch.context() as patch:
        where = {"write": (os, "fsync"), "rename": (Path, "replace"), "folder": (files, "sync_folder")}[step]
        patch.setattr(*where, fail)
        with refused(Status.IO, f"is now at version {2 if step == 'folder' else 1}"):
            device.install(*new)
    assert device.version == Trust(tmp_path).version == (2 if step == "folder" else 1)
    assert device.install(*new) == 2, "the same command again converges"


def test_what_is_kept_holds_no_private_key(device: Trust) -> None:
    import hashlib

    kept = device.path.read_text()
    for signer in (ALICE, BOB):
        assert signer.public.hex() in kept
        assert hashlib.sha256(signer.name.encode()).hexdigest() not in kept
