"""Uploads: what is refused before anything is erased, pieces in any order, power cuts."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from mcu import Process, make_image
from service import bundle_for, put

from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.errors import DeviceError
from edgeq.protocol.status import Status


def field(offset: int, form: str, value: int | bytes) -> Callable[[bytearray], None]:
    """Sets one field of the envelope."""
    return lambda image: struct.pack_into(form, image, offset, value)


@pytest.mark.parametrize(
    ("edit", "length", "status"),
    [
        (field(56, "32s", b"mps2-an386"), 0, Status.MISMATCH),
        (field(44, "<H", 3), 0, Status.NEWER),
        (field(46, "<H", 2), 0, Status.MISMATCH),
        (field(48, "<I", 5 << 20), 0, Status.NO_SPACE),
        (field(4, "<I", 9 << 20), 9 << 20, Status.NO_SPACE),
        (field(4, "<I", 160), 0, Status.INVALID),
    ],
    ids=["another board", "another ABI", "another packing", "a larger arena", "larger than a slot", "another length"],
)
@pytest.mark.parametrize("size", [2000, 64])
def test_what_cannot_run_is_refused_before_anything_is_erased(
    process: Process, device: Device, tmp_path: Path, edit: Callable[[bytearray], None], length: int, status: Status,
    size: int
) -> None:  # fmt: skip
    deploy(bundle_for(device, tmp_path), device)
    deploy(bundle_for(device, tmp_path, "second"), device)
    before = process.flash.read_bytes()
    image = make_image(target="host", edit=edit)
    image += bytes(max(0, length - len(image)))
    with pytest.raises(DeviceError) as no:
        for offset in range(0, 256, size):
            put(device, data=image, offset=offset, size=size)
    assert no.value.status == status
    assert process.flash.read_bytes() == before


def test_an_image_for_any_board_is_taken(device: Device) -> None:
    image = make_image()
    assert put(device, data=image, size=1000) == 1000


def test_an_older_security_version_is_refused(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path, "new", edit=field(40, "<I", 7)), device)
    deploy(bundle_for(device, tmp_path, "same", edit=field(40, "<I", 7)), device)
    with pytest.raises(DeviceError, match="security version") as no:
        deploy(bundle_for(device, tmp_path, "old", edit=field(40, "<I", 6)), device)
    assert no.value.status == Status.STATE
    assert device.manifest()["name"] == "same"


def test_an_envelope_may_come_in_pieces_and_out_of_turn(device: Device) -> None:
    image, other = make_image(target="host"), make_image(target="host", name="other")
    assert put(device, data=image, offset=64, size=64) == 0
    assert put(device, data=image, size=64) == 64
    assert put(device, data=image, size=64) == 64
    assert put(device, data=image, offset=128, size=64) == 64
    assert put(device, data=other, offset=64, size=64) == 0
    assert put(device, data=image, offset=64, size=300) == 364
    assert put(device, data=image, size=64) == 364
    assert put(device, data=image, offset=364) == len(image)
    assert put(device, data=image) == len(image)
    assert device.missing([hashlib.sha256(image).hexdigest()]) == {}


def test_a_manifest_follows_its_image(device: Device) -> None:
    with pytest.raises(DeviceError, match="follows its image") as no:
        put(device, data=b"{}")
    assert no.value.status == Status.STATE
    with pytest.raises(DeviceError) as no:
        device.stage("0" * 64, [])
    assert no.value.status == Status.NOT_FOUND


@pytest.mark.parametrize("cut", [100, 1000, 2500])
def test_a_power_cut_in_an_upload_costs_two_sectors_at_most(process: Process, tmp_path: Path, cut: int) -> None:
    with open_device(process.address) as device:
        first = deploy(bundle_for(device, tmp_path, "first"), device)
        second = bundle_for(device, tmp_path, "second")
        image = second.path("image.eqi").read_bytes()
        put(device, data=image, size=cut)
    process.kill()
    process.start()
    with open_device(process.address) as device:
        assert device.manifest()["n"] == first.n
        assert list(device.missing([second.device_files["image.eqi"][0]]).values()) == [0]
        assert deploy(second, device).previous == first.n


@pytest.mark.slow
def test_a_board_that_restarts_in_a_transfer_goes_on(board_address: str) -> None:
    image = make_image(target="mps2-an386", edit=lambda image: pad(image, 120_000))
    digest = hashlib.sha256(image).hexdigest()
    for end in range(13_000, 120_000, 14_000):
        with open_device(board_address) as device:
            at = device.missing([digest])[digest]
            assert at >= end - 14_000 - 2000 - 2 * 4096 or at == 0
            while at < end:
                at = put(device, data=image, offset=at, size=2000)
            device.reset()
    with open_device(board_address) as device:
        at = device.missing([digest])[digest]
        assert at >= 120_000 - 14_000 - 2 * 4096
        device.put(digest, image, at, lambda _: None)
        assert device.missing([digest]) == {}


def pad(image: bytearray, size: int) -> None:
    """Make an image longer by bytes that mean nothing."""
    image.extend(random.Random(size).randbytes(size - len(image)))
    struct.pack_into("<I", image, 4, size)
