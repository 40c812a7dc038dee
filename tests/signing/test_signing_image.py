"""Signatures in images and beside them: what is signed, one form for each content, nothing of a bundle's digest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcu import make_image, make_mcu_bundle
from signers import Signer, envelope

from edgeq.agent.dsse import MANIFEST_TYPE, Envelope
from edgeq.bundle import IMAGE_SIGNATURE, Bundle, read_bundle
from edgeq.errors import ArtifactError, UsageError
from edgeq.micro.image import read_image
from edgeq.signing import image as signing
from edgeq.signing.image import IMAGE_TYPE, attach, insert, message, record_bytes, sent_image, signatures

ONE, TWO, THREE = Signer("builder"), Signer("approver"), Signer("stranger")
IMAGE = make_image(target="host")


def made(*signers: Signer, image: bytes = IMAGE) -> Envelope:
    return envelope(record_bytes(image), *signers, kind=IMAGE_TYPE)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_mcu_bundle(tmp_path / "tiny", target="host", arch="any")


def test_what_is_signed_is_the_record_with_its_type() -> None:
    assert record_bytes(IMAGE) == IMAGE[:96]
    assert message(IMAGE) == b"DSSEv1 27 application/vnd.edgeq.image 96 " + IMAGE[:96]
    assert message(attach(IMAGE, ONE.id, ONE.sign(message(IMAGE)))) == message(IMAGE)


def test_a_signature_is_attached_and_found_again() -> None:
    first, second = (signer.sign(message(IMAGE)) for signer in (ONE, TWO))
    assert signatures(IMAGE) == ()
    signed = attach(IMAGE, ONE.id, first)
    assert signatures(signed) == ((ONE.id[:16], first),)
    both = attach(signed, TWO.id, second)
    assert signatures(both) == ((ONE.id[:16], first), (TWO.id[:16], second))
    assert both[:96] + both[256:] == IMAGE[:96] + IMAGE[256:]
    assert read_image(both).sha256 == read_image(IMAGE).sha256
    assert both == insert(IMAGE, made(ONE, TWO)) == insert(both, made(ONE, TWO))


def test_a_key_has_one_signature_and_two_keys_find_room() -> None:
    signed = attach(attach(IMAGE, ONE.id, bytes(64)), TWO.id, bytes([2]) * 64)
    assert signatures(attach(signed, ONE.id, bytes([1]) * 64)) == (
        (TWO.id[:16], bytes([2]) * 64),
        (ONE.id[:16], bytes([1]) * 64),
    )
    with pytest.raises(UsageError, match="room for 2 signatures"):
        attach(signed, THREE.id, bytes(64))
    with pytest.raises(UsageError, match="room for 2 signatures"):
        insert(IMAGE, made(ONE, TWO, THREE))


@given(at=st.integers(96, 255), value=st.integers(1, 255))
@settings(max_examples=100)
def test_whatever_is_in_the_place_has_one_form(at: int, value: int) -> None:
    """It is refused, or says something else, and exactly that."""
    spoilt = bytearray(insert(IMAGE, made(ONE)))
    spoilt[at] ^= value
    try:
        found = signatures(bytes(spoilt))
    except ArtifactError:
        return
    assert found != signatures(insert(IMAGE, made(ONE)))
    again = IMAGE
    for key, signature in found:
        again = attach(again, key, signature)
    assert again == spoilt


def test_signatures_of_something_else_are_not_inserted() -> None:
    other = make_image(target="host", name="other")
    for wrong in (made(ONE, image=other), envelope(IMAGE[:96], ONE, kind=MANIFEST_TYPE)):
        with pytest.raises(ArtifactError, match="another image"):
            insert(IMAGE, wrong)


def test_a_damaged_image_is_not_signed() -> None:
    spoilt = bytearray(IMAGE)
    spoilt[-1] ^= 1
    for call in (message, record_bytes, lambda image: attach(image, ONE.id, bytes(64))):
        with pytest.raises(ArtifactError, match="damaged"):
            call(bytes(spoilt))


def test_a_bundle_stays_what_it_is_when_its_image_is_signed(bundle: Bundle) -> None:
    image = bundle.path("image.eqi").read_bytes()
    assert sent_image(bundle) is None
    bundle.path(IMAGE_SIGNATURE).write_bytes(made(ONE, TWO, image=image).encode())
    again = read_bundle(bundle.folder)
    assert again.digest == bundle.digest
    assert again.path("image.eqi").read_bytes() == image
    assert sent_image(again) == insert(image, made(ONE, TWO, image=image))


def test_damaged_signatures_beside_an_image_are_told(bundle: Bundle) -> None:
    bundle.path(IMAGE_SIGNATURE).write_bytes(b"{}")
    with pytest.raises(ArtifactError, match="is damaged"):
        sent_image(bundle)
    bundle.path(IMAGE_SIGNATURE).write_bytes(made(ONE, image=make_image(target="host", name="other")).encode())
    with pytest.raises(ArtifactError, match="another image"):
        sent_image(bundle)


def test_a_bundle_without_an_image(tmp_path: Path) -> None:
    linux = Bundle(tmp_path, {"target": "rpi4", "files": {}}, "")
    assert sent_image(linux) is None
    with pytest.raises(UsageError, match="not for a microcontroller"):
        signing.read_bundle_image(linux)
