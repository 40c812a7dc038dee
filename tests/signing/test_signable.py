"""Envelopes of bundles: several signers, signatures from elsewhere, other tools, and every change refused."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from bundles import make_bundle
from mcu import make_mcu_bundle
from signers import Signer, trust

from edgeq.agent import dsse
from edgeq.bundle import MANIFEST, SIGNATURE, read_bundle
from edgeq.errors import ArtifactError, UsageError
from edgeq.signing import image
from edgeq.signing.keys import PublicKey
from edgeq.signing.signable import attach, read_image_signable, read_signable, read_signature, wire_envelope

ALICE, BOB, CAROL = Signer("alice"), Signer("bob"), Signer("carol")


def public(signer: Signer) -> PublicKey:
    return PublicKey(signer.public, signer.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundles" / "tiny").folder


def sign(folder: Path, *signers: Signer) -> None:
    for signer in signers:
        subject = read_signable(folder)
        attach(subject, public(signer), signer.sign(subject.message))


def test_a_signature_lies_beside_the_manifest_and_changes_nothing_else(folder: Path) -> None:
    before, digest = {path.name: path.read_bytes() for path in folder.iterdir()}, read_bundle(folder).digest
    sign(folder, ALICE)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.pop(SIGNATURE)
    assert after == before
    assert read_bundle(folder).digest == digest
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "nothing is left beside it"


def test_several_sign_one_after_the_other(folder: Path) -> None:
    sign(folder, ALICE, BOB, ALICE)
    found = read_signable(folder)
    assert sorted(key for key, _ in found.signatures) == sorted([ALICE.id, BOB.id])
    envelope, manifest = read_bundle(folder).envelope, (folder / MANIFEST).read_bytes()
    assert envelope == found.envelope
    for form in (found.envelope, found.detached, wire_envelope(found.envelope)):
        both = trust([ALICE, BOB], thresholds=(2, 1)).signers(dsse.MANIFEST_TYPE, manifest, form)
        assert len(both) == 2
    assert wire_envelope(found.envelope) == found.detached
    assert len(found.detached) < 1000, "it goes with one message, however large the manifest"


def test_signing_is_reproducible(folder: Path) -> None:
    sign(folder, ALICE)
    first = (folder / SIGNATURE).read_bytes()
    (folder / SIGNATURE).unlink()
    sign(folder, ALICE)
    assert (folder / SIGNATURE).read_bytes() == first


def test_securesystemslib_reads_and_verifies_ours(folder: Path) -> None:
    """The library of TUF and in-toto, as it comes."""
    pytest.importorskip("securesystemslib", reason="securesystemslib is not installed")
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    sign(folder, ALICE, BOB)
    theirs = Envelope.from_dict(json.loads((folder / SIGNATURE).read_bytes()))
    assert theirs.payload == (folder / MANIFEST).read_bytes()
    assert theirs.pae() == read_signable(folder).message
    both = [SSlibKey(each.id, "ed25519", "ed25519", {"public": each.public.hex()}) for each in (ALICE, BOB)]
    assert set(theirs.verify(both, 2)) == {ALICE.id, BOB.id}
    theirs.payload += b" "
    with pytest.raises(VerificationError):
        theirs.verify(both, 1)


def test_we_read_what_securesystemslib_signs(folder: Path) -> None:
    pytest.importorskip("securesystemslib", reason="securesystemslib is not installed")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    private = Ed25519PrivateKey.generate()
    signer, raw = CryptoSigner(private), private.public_key().public_bytes_raw()
    payload = (folder / MANIFEST).read_bytes()
    signature = Envelope(payload, dsse.MANIFEST_TYPE, {}).sign(signer)
    signed = attach(read_signable(folder), PublicKey(raw), bytes.fromhex(signature.signature))
    assert [key for key, _ in signed.signatures] == [PublicKey(raw).id]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_signature_that_was_made_elsewhere_is_attached(folder: Path, tmp_path: Path) -> None:
    key, message, seal, out = (tmp_path / name for name in ("key.pem", "message", "seal", "public.pem"))
    message.write_bytes(read_signable(folder).message)
    for command in (
        ["genpkey", "-algorithm", "ed25519", "-out", key],
        ["pkey", "-in", key, "-pubout", "-out", out],
        ["pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message, "-out", seal],
    ):
        subprocess.run(["openssl", *map(str, command)], check=True, timeout=60)
    from edgeq.signing.keys import load_public

    attach(read_signable(folder), load_public(str(out)), read_signature(seal))
    assert read_signable(folder).signatures[0][0] == load_public(str(out)).id


def test_a_wrong_signature_is_not_attached(folder: Path) -> None:
    subject = read_signable(folder)
    good = ALICE.sign(subject.message)
    for wrong in (
        ALICE.sign(subject.payload),
        ALICE.sign(hashlib.sha256(subject.message).digest()),
        BOB.sign(subject.message),
        good[:-1],
        good + b"\0",
        bytes(64),
    ):
        with pytest.raises(ArtifactError, match="is not one of"):
            attach(subject, public(ALICE), wrong)
    assert not (folder / SIGNATURE).exists()


def test_a_signature_is_read_in_three_forms(tmp_path: Path) -> None:
    signature = ALICE.sign(b"x")
    path = tmp_path / "signature"
    texts = (signature.hex().encode(), base64.b64encode(signature))
    broken = (b"\n".join((text[:60], text[60:])) for text in texts)  # lines as openssl and xxd break them
    for data in (signature, *(text + end for text in texts for end in (b"", b"\n", b"\r\n")), *broken):
        path.write_bytes(data)
        assert read_signature(path) == signature
    for data in (b"", b"junk", signature[:63], base64.b64encode(signature[:60]), b"\xff" * 88):
        path.write_bytes(data)
        with pytest.raises(ArtifactError, match="no ed25519 signature"):
            read_signature(path)


def test_signatures_of_something_else_are_told(folder: Path, tmp_path: Path) -> None:
    sign(folder, ALICE)
    other = make_bundle(tmp_path / "other", name="other").folder
    shutil.copy(folder / SIGNATURE, other / SIGNATURE)
    with pytest.raises(ArtifactError, match="signs something else") as caught:
        read_signable(other)
    assert "Remove" in caught.value.hint
    good = (folder / SIGNATURE).read_bytes()
    for damage in (b"", good[:-3], good.replace(b"keyid", b"keyod"), good.replace(b"manifest+json", b"trust+json")):
        (folder / SIGNATURE).write_bytes(damage)
        with pytest.raises(ArtifactError):
            read_signable(folder)


def test_a_bundle_that_is_damaged_is_not_signed(folder: Path) -> None:
    """Who signs vouches for every member."""
    (folder / "golden.cbor").write_bytes(b"\xa0")
    with pytest.raises(ArtifactError, match=r"golden\.cbor"):
        read_signable(folder)


def test_more_signatures_than_any_device_takes_are_not_made(folder: Path) -> None:
    crowd = [Signer(f"signer {number}") for number in range(dsse.MOST_SIGNATURES)]
    subject = read_signable(folder)
    envelope = dsse.Envelope(subject.payload_type, subject.payload, tuple((each.id, bytes(64)) for each in crowd))
    (folder / SIGNATURE).write_bytes(envelope.encode())
    with pytest.raises(UsageError, match="64 signatures; no device takes more"):
        sign(folder, ALICE)


def test_a_bundle_for_linux_has_no_image_to_sign(folder: Path) -> None:
    assert read_image_signable(folder) is None


def test_the_image_of_a_microcontroller_has_signatures_of_its_own(tmp_path: Path) -> None:
    """The image lies there as it was built, and goes to the device with its signatures in their place."""
    bundle = make_mcu_bundle(tmp_path / "mcu", target="host", arch="any")
    before = bundle.path(image.IMAGE).read_bytes()
    for signer in (ALICE, BOB):
        subject = read_image_signable(bundle.folder)
        assert subject is not None
        assert subject.payload_type != dsse.MANIFEST_TYPE
        assert subject.message == image.message(before)
        attach(subject, public(signer), signer.sign(subject.message))
    with pytest.raises(UsageError, match="2 signatures; no device takes more"):
        attach(read_image_signable(bundle.folder), public(CAROL), CAROL.sign(subject.message))  # type: ignore[arg-type]
    again = read_bundle(bundle.folder)
    assert again.digest == bundle.digest
    assert bundle.path(image.IMAGE).read_bytes() == before
    sent = image.sent_image(again)
    assert sent is not None
    assert [key for key, _ in image.signatures(sent)] == [each.id[:16] for each in (ALICE, BOB)]
    sign(bundle.folder, ALICE)
    assert len(read_signable(bundle.folder).signatures) == 1, "the manifest is signed apart"


def test_no_private_key_gets_into_a_bundle(folder: Path) -> None:
    sign(folder, ALICE, BOB)
    for path in folder.iterdir():
        for signer in (ALICE, BOB):
            secret = hashlib.sha256(signer.name.encode()).digest()
            for form in (secret, secret.hex().encode(), base64.b64encode(secret)):
                assert form not in path.read_bytes()
