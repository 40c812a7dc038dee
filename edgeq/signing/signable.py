"""What can be signed: a bundle's manifest, its image for a microcontroller, a trust document; where signatures lie."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from edgeq.agent import dsse, trust_document
from edgeq.agent.ed25519 import SIGNATURE_BYTES, verify
from edgeq.bundle import IMAGE, IMAGE_SIGNATURE, MANIFEST, SIGNATURE, read_bundle
from edgeq.errors import ArtifactError, UsageError
from edgeq.signing import image
from edgeq.signing.keys import PublicKey


@dataclass(frozen=True)
class Signable:
    """A payload of a type, where its signatures lie, those that it has, and how many it can have."""

    path: Path
    payload_type: str
    payload: bytes
    signature_path: Path
    signatures: tuple[tuple[str, bytes], ...] = ()
    most: int = dsse.MOST_SIGNATURES

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        return dsse.pae(self.payload_type, self.payload)

    @property
    def envelope(self) -> bytes:
        """The envelope with its payload, as other tools read it."""
        return dsse.Envelope(self.payload_type, self.payload, self.signatures).encode()

    @property
    def detached(self) -> bytes:
        """The envelope as it goes to a device, beside the payload."""
        return dsse.Envelope(self.payload_type, None, self.signatures).encode()


def read_signable(path: Path) -> Signable:
    """The manifest of a bundle, given by its folder, all of which is checked; or a trust document, by its file."""
    if not path.is_dir():
        return _with_signatures(Signable(path, dsse.TRUST_TYPE, read_trust_file(path)[1], signature_path(path)))
    bundle = read_bundle(path)
    payload = bundle.path(MANIFEST).read_bytes()
    if hashlib.sha256(payload).hexdigest() != bundle.digest:
        raise ArtifactError(f"The bundle '{path}' changed while it was read.", "Run the command again.")
    return _with_signatures(Signable(path, dsse.MANIFEST_TYPE, payload, bundle.path(SIGNATURE)))


def read_image_signable(path: Path) -> Signable | None:
    """The image's record of a bundle for a microcontroller, which checks no manifest; None for anything else."""
    if not path.is_dir():
        return None
    bundle = read_bundle(path)
    if IMAGE not in (bundle.manifest.get("device_files") or ()):
        return None
    record = image.record_bytes(image.read_bundle_image(bundle))
    place = bundle.path(IMAGE_SIGNATURE)
    return _with_signatures(Signable(path, image.IMAGE_TYPE, record, place, most=image.MOST_SIGNATURES))


def signature_path(trust: Path) -> Path:
    """Where the signatures of a trust document lie: `trust.signature.json` beside `trust.json`."""
    return trust.with_name(f"{trust.stem}.signature.json")


def read_trust_file(path: Path) -> tuple[trust_document.TrustDocument, bytes]:
    """A trust document and its bytes."""
    try:
        data = path.read_bytes()
        return trust_document.decode(data), data
    except OSError as error:
        hint = "'edgeq keys trust new' makes a trust document, 'edgeq build' a bundle."
        raise UsageError(f"'{path}' cannot be read: {error.strerror}.", hint) from error
    except ValueError as error:
        raise ArtifactError(f"'{path}': {error}.", "'edgeq keys trust' edits trust documents.") from error


def wire_envelope(envelope: bytes) -> bytes:
    """What `signature.json` holds without its payload, as `release_stage` carries it. `ArtifactError` where damaged."""
    try:
        return dsse.decode(envelope).detached().encode()
    except ValueError as error:
        raise ArtifactError(f"The bundle's {SIGNATURE} is damaged: {error}.", "Sign the bundle again.") from error


def _with_signatures(subject: Signable) -> Signable:
    beside = subject.signature_path
    if not beside.exists() and not beside.is_symlink():
        return subject
    hint = f"Remove '{beside}' and sign again."
    try:
        envelope = dsse.decode(beside.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"'{beside}' is damaged: {error}.", hint) from error
    if envelope.payload_type != subject.payload_type or envelope.payload not in (None, subject.payload):
        raise ArtifactError(f"'{beside}' signs something else than '{subject.path}'.", hint)
    return replace(subject, signatures=envelope.signatures)


def attach(subject: Signable, key: PublicKey, signature: bytes) -> Signable:
    """Add a signature once it proved right, durably; a key's former one is replaced."""
    if len(signature) != SIGNATURE_BYTES or not verify(key.public, subject.message, signature):
        raise ArtifactError(
            f"The signature is not one of '{subject.path}' by key {key.id[:12]}.",
            "Sign the bytes that 'edgeq digest' writes, all of them and not their SHA-256 alone.",
        )
    others = tuple(entry for entry in subject.signatures if entry[0] != key.id)
    if len(others) >= subject.most:
        raise UsageError(
            f"'{subject.signature_path}' holds {len(others)} signatures; no device takes more.",
            "Remove it, and sign with the keys that the device asks for.",
        )
    signed = replace(subject, signatures=(*others, (key.id, signature)))
    write(signed.signature_path, signed.envelope, beside=subject.path.absolute().parent)
    return signed


def write(path: Path, data: bytes, beside: Path) -> None:
    """Replace a file whole or not at all; `beside` is where it is prepared, on the same file system."""
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=beside, prefix=".edgeq-", delete=False) as file:
            part = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.", "Check the folder and its space.") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def read_signature(path: Path) -> bytes:
    """The 64 bytes of a signature from a file that holds them raw, in hex or in base64."""
    try:
        data = path.read_bytes()[: 4 << 10]
    except OSError as error:
        raise UsageError(f"The signature '{path}' cannot be read: {error.strerror}.", "Check the path.") from error
    if len(data) == SIGNATURE_BYTES:
        return data
    text = b"".join(data.split())  # openssl breaks lines of base64
    for form in (bytes.fromhex, lambda said: base64.b64decode(said, validate=True)):
        try:
            found = form(text.decode("ascii"))
        except ValueError:
            continue
        if len(found) == SIGNATURE_BYTES:
            return found
    raise ArtifactError(f"'{path}' holds no ed25519 signature.", "64 bytes, raw, in hexadecimal or in base64.")
