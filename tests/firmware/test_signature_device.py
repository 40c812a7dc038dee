"""A device whose firmware was built with keys, and one without: what each takes, at every door."""

from __future__ import annotations

import hashlib
import platform
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bundles import tiny
from mcu import FIRMWARE as STUBS
from mcu import SANITIZE, Process, build_process, make_image, make_mcu_bundle
from once import once
from service import SLOTS, put, raw
from signers import Signer, trust

from edgeq.bundle import canonical_json, read_bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.errors import DeviceError
from edgeq.protocol import smp
from edgeq.protocol.status import Status
from edgeq.signing import image as signing
from edgeq.signing.compiled import trust_source
from edgeq.signing.keys import PublicKey
from edgeq.signing.signable import attach, read_image_signable, read_signable

ONE, TWO, STRANGER = Signer("builder"), Signer("approver"), Signer("stranger")
FIRMWARE = {"one": trust([ONE]), "both": trust([ONE], [TWO]), "other": trust([STRANGER])}
UPLOAD = (smp.WRITE, smp.GROUP_IMAGE, 1)
READ_STATE, WRITE_STATE = (smp.READ, smp.GROUP_IMAGE, 0), (smp.WRITE, smp.GROUP_IMAGE, 0)


def firmware(kind: str) -> Path:
    """The host port under sanitizers, with the keys of one of `FIRMWARE`, or without any."""
    if kind == "none":
        return once("firmware-process", build_process) / "firmware.elf"

    def build(folder: Path) -> None:
        source = folder / "eq_port_trust.c"
        source.write_text(trust_source(FIRMWARE[kind]))
        command = ["make", "-s", "-C", STUBS, "-f", "firmware.mk", "PORT=host", f"BUILD={folder}", f"TRUST={source}"]
        subprocess.run([*command, f"CFLAGS={SANITIZE}"], check=True, timeout=240)

    missing = [tool for tool in ("make", "gcc") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    return once(f"firmware-process-{kind}", build) / "firmware.elf"


@contextmanager
def running(kind: str, flash: Path) -> Iterator[Device]:
    """A device with these keys on this flash."""
    process = Process(firmware(kind), flash)
    try:
        with open_device(process.address) as device:
            yield device
        process.kill()
    finally:
        if process._process.poll() is None:
            process._process.kill()


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return tmp_path / "flash.bin"


def image(*signers: Signer, name: str = "tiny", security_version: int = 0, **spoilt: Any) -> bytes:
    data = make_image(
        target="host", name=name, edit=lambda image: struct.pack_into("<I", image, 40, security_version), **spoilt
    )
    for signer in signers:
        data = signing.attach(data, signer.id, signer.sign(signing.message(data)))
    return data


def sign(folder: Path, signer: Signer) -> None:
    """As `edgeq sign` does: the manifest, and the image."""
    for found in (read_signable(folder), read_image_signable(folder)):
        assert found is not None
        attach(found, PublicKey(signer.public, signer.name), signer.sign(found.message))


def send(device: Device, data: bytes, name: str = "a") -> str:
    """The image and a manifest with this name; the manifest's digest."""
    manifest = canonical_json({"name": name})
    for blob in (data, manifest):
        put(device, data=blob)
    return hashlib.sha256(manifest).hexdigest()


def install(device: Device, data: bytes, name: str = "a") -> int:
    n = device.stage(send(device, data, name), [])
    device.activate(n)
    return n


def refused(device: Device, data: bytes, status: Status = Status.SIGNATURE, size: int | None = None) -> None:
    with pytest.raises(DeviceError) as no:
        for offset in range(0, 256, size or 256):
            put(device, data=data, offset=offset, size=size)
    assert no.value.status == status


def works(device: Device) -> bool:
    """Whether what serves gives an output."""
    _, _, (inputs, _) = tiny()
    return len(device.invoke(inputs[0][0])) > 0


def test_firmware_without_keys_takes_all(flash: Path) -> None:
    with running("none", flash) as device:
        assert device.describe()["signed"] is False
        for name, data in (("a", image()), ("b", image(ONE)), ("c", image(STRANGER))):
            install(device, data, name)
        assert works(device)


def test_firmware_with_a_key_takes_what_it_signed(flash: Path) -> None:
    with running("one", flash) as device:
        assert device.describe()["signed"] is True
        first = install(device, image(ONE), "a")
        assert install(device, image(ONE, TWO, name="second"), "b") == first + 1
        assert works(device)
        assert device.rollback() == first
        assert works(device)
    with running("one", flash) as device:
        assert device.installed().current == first
        assert works(device)


@pytest.mark.parametrize("size", [2000, 64])
def test_what_is_not_signed_is_refused_before_anything_is_erased(flash: Path, size: int) -> None:
    with running("both", flash) as device:
        install(device, image(ONE, TWO), "a")
        install(device, image(TWO, ONE, name="second"), "b")
        before = flash.read_bytes()
        for signers in ((), (ONE,), (TWO,), (STRANGER,), (ONE, STRANGER)):
            refused(device, image(*signers, name="third"), size=size)
        moved = image(ONE, TWO)[:96] + image(ONE, TWO, name="second")[96:256] + image()[256:]
        refused(device, moved, size=size)
        assert flash.read_bytes() == before
        assert works(device)
        install(device, image(ONE, TWO, name="third"), "c")


def test_a_flipped_bit_of_every_byte_is_refused_before_anything_is_erased(flash: Path) -> None:
    data = image(ONE)
    with running("one", flash) as device:
        install(device, image(ONE, name="serves"), "a")
        before = flash.read_bytes()
        for at in range(256):
            spoilt = bytearray(data)
            spoilt[at] ^= 1 << at % 8
            with pytest.raises(DeviceError):
                put(device, data=bytes(spoilt), size=300)
        assert flash.read_bytes() == before
        install(device, data, "b")


def test_a_bundle_is_signed_and_deployed(flash: Path, tmp_path: Path) -> None:
    """The whole way: the members stay as they were built, the image that is sent has the signatures in it."""
    folder = tmp_path / "tiny"
    make_mcu_bundle(folder, target="host", arch=platform.machine())
    with running("both", flash) as device:
        for signer in (None, ONE):
            if signer is not None:
                sign(folder, signer)
            before = flash.read_bytes()
            with pytest.raises(DeviceError) as no:
                deploy(read_bundle(folder), device)
            assert no.value.status == Status.SIGNATURE
            assert flash.read_bytes() == before
        sign(folder, TWO)
        bundle = read_bundle(folder)
        done = deploy(bundle, device)
        assert done.changed
        assert device.installed().current == done.n
        assert works(device)
        assert device.manifest()["name"] == "tiny"
        assert not deploy(bundle, device).changed


def test_a_stock_tool_needs_a_signature_too(flash: Path) -> None:
    data, signed = image(), image(ONE)

    def upload(device: Device, whole: bytes, sequence: int) -> dict[str, Any]:
        head = {"image": 0, "off": 0, "len": len(whole), "sha": hashlib.sha256(whole).digest()}
        return raw(device, UPLOAD, sequence, {**head, "data": whole})

    with running("one", flash) as device:
        assert upload(device, data, 1) == {"rc": 1}
        assert raw(device, WRITE_STATE, 2, {"hash": hashlib.sha256(data).digest(), "confirm": True}) == {"rc": 5}
        assert upload(device, signed, 3) == {"off": len(signed)}
        assert raw(device, WRITE_STATE, 4, {"hash": hashlib.sha256(signed).digest(), "confirm": True})["images"]
        while (listed := raw(device, READ_STATE, 5, {})["images"])[0]["pending"]:
            pass
        assert listed[0]["confirmed"]
        assert works(device)


def test_a_lower_security_version_is_refused_although_it_is_signed(flash: Path) -> None:
    with running("one", flash) as device:
        install(device, image(ONE, security_version=7), "a")
        install(device, image(ONE, security_version=7, name="same"), "b")
        refused(device, image(ONE, security_version=6, name="old"), Status.STATE)
        raised = bytearray(image(ONE, security_version=6, name="old"))
        raised[40] = 8
        refused(device, bytes(raised))
        assert device.rollback()


def test_a_signed_record_with_another_body_is_no_release(flash: Path) -> None:
    """The promised SHA-256 is that of what arrives; what is signed is the body's."""
    signed, other = image(ONE, name="good"), image(name="evil")
    assert len(signed) == len(other)
    mixed = signed[:256] + other[256:]
    with running("one", flash) as device:
        install(device, image(ONE, name="serves"), "a")
        digest = send(device, mixed, "b")
        with pytest.raises(DeviceError, match="not the one that was signed") as no:
            device.stage(digest, [])
        assert no.value.status == Status.SIGNATURE
        assert raw(device, WRITE_STATE, 9, {"hash": bytes.fromhex(digest), "confirm": True})["images"]
        while [each["pending"] for each in raw(device, READ_STATE, 10, {})["images"]].count(True):
            pass
        assert [release.state for release in device.releases()] == ["confirmed"]
        assert works(device)


def test_an_image_that_begins_anew_is_judged_anew(flash: Path) -> None:
    """A signed beginning opens the door; after a restart the same promise comes with another beginning."""
    evil = image(name="evil")
    promise = hashlib.sha256(evil).digest()
    signed = image(ONE, name="good")
    assert len(signed) == len(evil)
    with running("one", flash) as device:
        install(device, image(ONE, name="serves"), "a")
        assert put(device, data=signed, size=300, sha=promise) == 300
    with running("one", flash) as device:
        assert device.missing([promise.hex()]) == {promise.hex(): 0}
        before = flash.read_bytes()
        for size in (300, 100):
            with pytest.raises(DeviceError) as no:
                for offset in range(0, 300, size):
                    put(device, data=evil, offset=offset, size=size)
            assert no.value.status == Status.SIGNATURE
        assert flash.read_bytes() == before
        assert put(device, data=signed, size=100) == 100  # and what is signed still arrives, in small pieces too
        assert put(device, data=signed, offset=100) == len(signed)


def test_what_was_installed_without_keys_does_not_serve_with_them(flash: Path) -> None:
    with running("none", flash) as device:
        install(device, image(), "a")
    with running("one", flash) as device:
        assert device.installed().serving is None
        with pytest.raises(DeviceError):
            works(device)
        install(device, image(ONE), "b")
        assert works(device)
        with pytest.raises(DeviceError):
            device.rollback()
    with running("one", flash) as device:
        assert works(device)


def test_nothing_that_is_not_signed_runs_on_request(flash: Path) -> None:
    """A release that is bad, or staged, or would be gone back to, can be asked for by its number."""
    _, _, (inputs, _) = tiny()
    with running("none", flash) as device:
        first = install(device, image(), "a")
        second = install(device, image(name="second"), "b")
    with running("one", flash) as device:
        for n in (first, second):
            for run in (lambda n=n: device.invoke(inputs[0][0], n), lambda n=n: device.selftest(n)):
                with pytest.raises(DeviceError) as no:
                    run()
                assert no.value.status == Status.SIGNATURE
    with running("none", flash) as device:
        staged = device.stage(send(device, image(name="third"), "c"), [])
    with running("one", flash) as device:
        with pytest.raises(DeviceError) as no:
            device.selftest(staged)
        assert no.value.status == Status.SIGNATURE


def test_the_previous_release_serves_where_only_that_is_signed(flash: Path) -> None:
    with running("none", flash) as device:
        first = install(device, image(ONE), "a")
        second = install(device, image(name="second"), "b")
    with running("one", flash) as device:
        assert device.installed().current == first
        assert works(device)
        with pytest.raises(DeviceError):
            device.activate(second)
        assert device.installed().current == first


def test_nothing_goes_back_to_what_is_not_signed(flash: Path) -> None:
    with running("none", flash) as device:
        install(device, image(), "a")
        second = install(device, image(ONE, name="second"), "b")
    with running("one", flash) as device:
        assert device.installed().current == second
        with pytest.raises(DeviceError) as no:
            device.rollback()
        assert no.value.status == Status.SIGNATURE
        assert device.installed().current == second
        assert works(device)


def test_other_keys_in_new_firmware(flash: Path) -> None:
    """What the former keys signed no longer serves; a staged release of theirs is refused."""
    with running("one", flash) as device:
        install(device, image(ONE), "a")
        staged = device.stage(send(device, image(ONE, name="second"), "b"), [])
    with running("other", flash) as device:
        assert device.installed().serving is None
        with pytest.raises(DeviceError) as no:
            device.activate(staged)
        assert no.value.status == Status.SIGNATURE
        install(device, image(STRANGER, name="third"), "c")
        assert works(device)


def test_a_damaged_body_in_flash_does_not_serve(flash: Path) -> None:
    with running("one", flash) as device:
        first = install(device, image(ONE), "a")
        install(device, image(ONE, name="second"), "b")
    data, second = bytearray(flash.read_bytes()), image(ONE, name="second")
    place = next(slot for slot in SLOTS if data[slot : slot + len(second)] == second)
    data[place + 456] ^= 1
    flash.write_bytes(data)
    with running("one", flash) as device:
        assert device.installed().current == first
