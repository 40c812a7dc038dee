"""Keys and signatures of tests, made by `cryptography`: no code of ours decides what is right."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeq.agent import dsse
from edgeq.agent.trust_document import APPROVER, BUILDER, Key, Role, TrustDocument


class Signer:
    """A private key, the same one for the same name in every run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.public = self._private.public_key().public_bytes_raw()
        self.key = Key(self.public, name)
        self.id = self.key.id

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def envelope(payload: bytes, *signers: Signer, kind: str = dsse.MANIFEST_TYPE, whole: bool = True) -> dsse.Envelope:
    """An envelope that these signed."""
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    signatures = tuple((signer.id, signer.sign(message)) for signer in signers)
    return dsse.Envelope(kind, payload if whole else None, signatures)


def trust(
    builders: Sequence[Signer],
    approvers: Sequence[Signer] = (),
    *,
    version: int = 1,
    thresholds: tuple[int, int] = (1, 1),
    revoked: Sequence[Signer] = (),
) -> TrustDocument:
    """A trust document; there is no role of approvers where there are none."""
    roles = {BUILDER: Role(tuple(each.id for each in builders), thresholds[0])}
    if approvers:
        roles[APPROVER] = Role(tuple(each.id for each in approvers), thresholds[1])
    keys = {each.id: each.key for each in (*builders, *approvers, *revoked)}
    return TrustDocument(version, roles, keys, tuple(each.id for each in revoked))


def signed(document: TrustDocument, *signers: Signer) -> tuple[bytes, bytes]:
    """A trust document and its envelope, as request 20 carries them."""
    data = document.encode()
    return data, envelope(data, *signers, kind=dsse.TRUST_TYPE, whole=False).encode()
