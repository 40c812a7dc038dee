"""Flash whose erase keeps the core from hearing its line: what would be lost then is not sent."""

from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from mcu import Process, make_image
from service import bundle_for

from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.link.tcp import TcpLink
from edgeq.protocol import contract

PARTS = {"l4": 3 * 25, "h7": 3 * 2000, "f7": 3 * 2000, "nrf52": 3 * 85, "rp2040": 3 * 45}
"""For how many ms one chunk may keep each deaf."""
SIZES = {"l4": 200_000, "h7": 500_000, "f7": 350_000, "nrf52": 200_000, "rp2040": 200_000}


def large_image(size: int) -> bytes:
    """One that is taken, though nobody would run it."""

    def edit(image: bytearray) -> None:
        image.extend(random.Random(size).randbytes(size - len(image)))
        struct.pack_into("<I", image, 4, size)

    return make_image(target="host", edit=edit)


@pytest.fixture
def stalling(
    firmware_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Any:
    """A process whose flash is that of the part that is asked for."""
    monkeypatch.setenv("EQ_FLASH", request.param)
    running = Process(firmware_process, tmp_path / "flash.bin")
    yield running
    running.kill()


@pytest.mark.parametrize(("stalling", "part"), [(part, part) for part in PARTS], indirect=["stalling"])
def test_nothing_is_sent_while_it_erases(stalling: Process, part: str) -> None:
    image = large_image(SIZES[part])
    with open_device(stalling.address) as device:
        assert device.describe()["deaf_ms"] == PARTS[part] == 1000 * device.client.deaf_s
        before = device.client.sent_bytes
        device.put(hashlib.sha256(image).hexdigest(), image, 0, lambda _: None)
        assert len(image) < device.client.sent_bytes - before < 1.06 * len(image)
        assert device.missing([hashlib.sha256(image).hexdigest()]) == {}


@pytest.mark.parametrize("stalling", ["h7"], indirect=True)
def test_an_image_arrives_from_a_host_that_does_not_heed_it_too(stalling: Process) -> None:
    image = large_image(300_000)
    with open_device(stalling.address) as device:
        device.client._deaf_s = 0.0
        digest = hashlib.sha256(image).hexdigest()
        device.put(digest, image, 0, lambda _: None)
        assert device.missing([digest]) == {}


@pytest.mark.parametrize("stalling", ["f7"], indirect=True)
def test_releases_take_slots_of_different_sectors(stalling: Process, tmp_path: Path) -> None:
    for n in (1, 2, 3):
        with open_device(stalling.address) as device:
            assert deploy(bundle_for(device, tmp_path, f"n{n}"), device).n == n
        stalling.kill()
        stalling.start()
    with open_device(stalling.address) as device:
        assert [item.n for item in device.releases()] == [2, 3]
        assert device.rollback() == 2


@pytest.mark.parametrize("stalling", ["nrf52"], indirect=True)
def test_a_transfer_goes_on_where_a_power_cut_left_it(stalling: Process) -> None:
    image = large_image(150_000)
    digest = hashlib.sha256(image).hexdigest()
    for end in (20_000, 60_000, 110_000):
        with Device(TcpLink(stalling.address), "board") as device:
            at = device.missing([digest])[digest]
            assert at == 0 or end - 50_000 - 2 * 4096 <= at
            while at < end:
                body = {"sha": bytes.fromhex(digest), "off": at, "len": len(image), "data": image[at : at + 2000]}
                answer = device.client.request(contract.BLOB_PUT, body)
                assert answer["room"] <= 4096
                at = answer["off"]
        stalling.kill()
        stalling.start()
    with open_device(stalling.address) as device:
        device.put(digest, image, device.missing([digest])[digest], lambda _: None)
        assert device.missing([digest]) == {}
