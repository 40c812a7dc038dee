"""Signatures of images for microcontrollers: what is signed, where it is kept, how it gets into an image.

A signature covers the first 96 bytes of an image, its *record*, which binds the digest of the rest, the security
version, the board, the plan ABI and the confirm policy (firmware_stubs/DESIGN.md sections 2 and 8). It is a DSSE
signature like those of manifests, of the type `IMAGE_TYPE`. In a bundle the signatures lie in an envelope beside the
members, `image.signature.json`; `image.eqi` itself stays as it was built. They are put into the image when it is sent.
"""

from __future__ import annotations

import struct

from edgeq.agent import dsse
from edgeq.agent.dsse import Envelope
from edgeq.bundle import IMAGE, IMAGE_SIGNATURE, Bundle
from edgeq.errors import ArtifactError, UsageError
from edgeq.micro.image import ENVELOPE, read_image

IMAGE_TYPE = "application/vnd.edgeq.image"
RECORD_BYTES = 96
MOST_SIGNATURES = 2
MAGIC = b"EQS1"
KEY_ID_DIGITS = 16
"""Of a key's id, in hex: what an image has room for."""
_HEAD = struct.Struct("<4sI8x")
_ONE = struct.Struct("<8s64s")
_HINT = "Build the bundle again, or copy it again."


def record_bytes(image: bytes) -> bytes:
    """The 96 bytes that a signature covers, of an image that is sound."""
    read_image(image)
    return image[:RECORD_BYTES]


def message(image: bytes) -> bytes:
    """The exact bytes to sign: the record with its type and length, as DSSE says."""
    return dsse.pae(IMAGE_TYPE, record_bytes(image))


def signatures(image: bytes) -> tuple[tuple[str, bytes], ...]:
    """(beginning of the key's id, signature) of an image; none where its place is empty. `ArtifactError` for anything
    else, as a device refuses it."""
    place = image[RECORD_BYTES : ENVELOPE.size]
    if not any(place):
        return ()
    magic, count = _HEAD.unpack_from(place)
    if magic == MAGIC and 1 <= count <= MOST_SIGNATURES:
        listed = [_ONE.unpack_from(place, _HEAD.size + i * _ONE.size) for i in range(count)]
        found = tuple((key.hex(), signature) for key, signature in listed)
        if _place(found) == place:
            return found
    raise ArtifactError("The place of the signature in the image is damaged.", _HINT)


def attach(image: bytes, key: str, signature: bytes) -> bytes:
    """The image with a signature by the key with this id (hex); one that the key had made before is replaced."""
    short = key[:KEY_ID_DIGITS]
    others = [one for one in signatures(image) if one[0] != short]
    return _with(image, (*others, (short, signature)))


def insert(image: bytes, envelope: Envelope) -> bytes:
    """The image with the signatures of an envelope in place of its own. `ArtifactError` where they are of another."""
    if envelope.payload_type != IMAGE_TYPE or envelope.payload not in (None, record_bytes(image)):
        raise ArtifactError("The signatures are of another image.", "Sign this one: 'edgeq sign BUNDLE --key KEY'.")
    return _with(image, tuple((key[:KEY_ID_DIGITS], signature) for key, signature in envelope.signatures))


def read_envelope(bundle: Bundle) -> Envelope | None:
    """The signatures of a bundle's image; None where nobody has signed it."""
    path = bundle.path(IMAGE_SIGNATURE)
    if not path.exists():
        return None
    try:
        return dsse.decode(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"'{IMAGE_SIGNATURE}' of the bundle '{bundle.folder}' is damaged: {error}.", _HINT
        ) from error


def read_bundle_image(bundle: Bundle) -> bytes:
    """The image as it was built. `UsageError` for a bundle that has none."""
    if IMAGE not in (bundle.manifest.get("device_files") or ()):
        raise UsageError(
            f"The bundle '{bundle.folder}' is for {bundle.target}, and not for a microcontroller.",
            "Its manifest alone is signed.",
        )
    return bundle.path(IMAGE).read_bytes()


def sent_image(bundle: Bundle) -> bytes | None:
    """What goes to a device in place of `image.eqi`; None where that is itself: it is not signed, or there is none."""
    envelope = read_envelope(bundle)
    return insert(read_bundle_image(bundle), envelope) if envelope else None


def _with(image: bytes, listed: tuple[tuple[str, bytes], ...]) -> bytes:
    read_image(image)
    if len(listed) > MOST_SIGNATURES:
        raise UsageError(
            f"An image has room for {MOST_SIGNATURES} signatures; these are {len(listed)}.",
            f"Remove '{IMAGE_SIGNATURE}' and sign with the keys that the device asks for.",
        )
    return image[:RECORD_BYTES] + _place(listed) + image[ENVELOPE.size :]


def _place(listed: tuple[tuple[str, bytes], ...]) -> bytes:
    ones = b"".join(_ONE.pack(bytes.fromhex(key), signature) for key, signature in listed)
    head = _HEAD.pack(MAGIC, len(listed)) if listed else b""
    return (head + ones).ljust(ENVELOPE.size - RECORD_BYTES, b"\0")
