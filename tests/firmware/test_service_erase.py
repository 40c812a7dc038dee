"""Erasing a slot: only what does not serve, and never while anything runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bundles import tiny
from mcu import Process, make_image
from service import SLOTS, bundle_for, put, raw

from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.protocol import contract, smp
from edgeq.protocol.smp import Message

ERASE = (smp.WRITE, smp.GROUP_IMAGE, 5)


def test_erasing_empties_the_slot_that_does_not_serve(process: Process, device: Device, tmp_path: Path) -> None:
    _, _, (inputs, _) = tiny()
    first = deploy(bundle_for(device, tmp_path, "first"), device).n
    deploy(bundle_for(device, tmp_path, "second"), device)
    device.invoke(inputs[0][0], first)
    assert raw(device, ERASE, 1, {"slot": 1}) == {"rc": 6}
    assert device.client.request(contract.OUTPUT, {"off": 0})["len"] > 0
    assert raw(device, ERASE, 2, {"slot": None}) == {"rc": 3}
    for sequence in (3, 3, 4):
        assert raw(device, ERASE, sequence, {}) == {}
    assert not process.flash.read_bytes()[SLOTS[0] : SLOTS[1]].strip(b"\xff")
    assert device.client.request(contract.OUTPUT, {"off": 0}) == {"len": 0, "data": b""}
    assert device.selftest()["worst"] == 0


def test_nothing_is_erased_while_a_job_runs(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path, "first"), device)
    deploy(bundle_for(device, tmp_path, "second"), device)
    frames = device.client._open()
    asked = [Message(*contract.SELFTEST, 7, {}), Message(*ERASE, 8, {})]
    frames.link.send(b"".join(frames.framing.encode(message.encode()) for message in asked), 10)
    while (answer := frames.receive(10)).sequence != 8:
        pass
    assert answer.body == {"rc": 6}
    assert [item.name for item in device.releases()] == ["first", "second"]


def test_an_upload_begins_anew_after_erasing(device: Device, tmp_path: Path) -> None:
    image = make_image(target="host")
    for size in (100, 1000):
        assert put(device, data=image, size=size) == size
        assert raw(device, ERASE, 1, {}) == {}
        assert device.missing([hashlib.sha256(image).hexdigest()]) == {hashlib.sha256(image).hexdigest(): 0}
        assert put(device, data=image, offset=size) == 0
    assert put(device, data=image) == len(image)
    assert raw(device, ERASE, 2, {}) == {}
    assert raw(device, (smp.READ, smp.GROUP_IMAGE, 0), 3, {}) == {"images": []}


def test_a_power_cut_while_erasing_leaves_what_serves(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        for name in ("first", "second"):
            serving = deploy(bundle_for(device, tmp_path, name), device).n
        frames = device.client._open()
        frames.send(Message(*ERASE, 9, {}).encode(), 10)
    process.kill()
    process.start()
    with open_device(process.address) as device:
        assert raw(device, ERASE, 10, {}) == {}
        assert [(item.n, item.serving) for item in device.releases()] == [(serving, True)]
        assert device.selftest()["worst"] == 0
