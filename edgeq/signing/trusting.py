"""Trust documents on the host: made, edited version by version, and who has to sign yet.

`trust.json` is the newest version, and `trust.signature.json` its signatures. An edit of a version that somebody has
signed makes the next one, and keeps the former pair as `trust.v<N>.json` and `trust.v<N>.signature.json`: devices that
were away need every step, as each is signed by the keys before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeq.agent import trust_document
from edgeq.agent.ed25519 import verify
from edgeq.agent.trust_document import ROLES, Role, TrustDocument
from edgeq.errors import ArtifactError, UsageError
from edgeq.signing.keys import PublicKey
from edgeq.signing.signable import Signable, read_signable, read_trust_file, signature_path, write

Edit = Callable[[TrustDocument], TrustDocument]


@dataclass(frozen=True)
class Need:
    """`have` of `threshold` signatures that a role of the trust document `version` must give; `keys` may give them."""

    version: int
    role: str
    have: int
    threshold: int
    keys: tuple[str, ...]

    @property
    def met(self) -> bool:
        return self.have >= self.threshold


def create(path: Path, keys: Sequence[PublicKey], thresholds: Mapping[str, int]) -> TrustDocument:
    """The first version, with each key in its role."""
    if path.exists():
        raise UsageError(f"'{path}' is there already.", "'edgeq keys trust add' and 'revoke' edit it.")
    roles = {
        role: Role(tuple(dict.fromkeys(key.id for key in keys if key.role == role)), thresholds.get(role, 1))
        for role in ROLES
        if any(key.role == role for key in keys)
    }
    return _write(path, TrustDocument(1, roles, {key.id: key.key for key in keys}))


def edit(path: Path, change: Edit) -> TrustDocument:
    """Apply a change: to the draft where nobody has signed it yet, else to a new version."""
    subject, old = read_signable(path), read_trust_file(path)[0]
    new = change(old)
    if new == old:
        return old
    if subject.signatures:
        _keep(subject, old.version)
    if _kept(path, old.version).exists():  # It is out, also where this command was interrupted before.
        new = replace(new, version=old.version + 1)
    return _write(path, new)


def add(key: PublicKey, role: str) -> Edit:
    """Give `key` a role; a role that is new needs one signature."""

    def change(document: TrustDocument) -> TrustDocument:
        if key.id in document.revoked:
            raise UsageError(f"Key {document.name(key.id)} is revoked for good.", "'edgeq keys new' makes another.")
        present = document.roles.get(role, Role((), 1))
        if key.id in present.keys:
            return document
        roles = {**document.roles, role: replace(present, keys=(*present.keys, key.id))}
        return replace(document, roles=roles, keys={**document.keys, key.id: key.key})

    return change


def revoke(key: str) -> Edit:
    """Take all roles from the key with this id, for good."""

    def change(document: TrustDocument) -> TrustDocument:
        if key in document.revoked:
            return document
        roles = {
            name: replace(role, keys=tuple(each for each in role.keys if each != key))
            for name, role in document.roles.items()
        }
        return replace(document, roles=roles, revoked=(*document.revoked, key))

    return change


def threshold(role: str, count: int) -> Edit:
    """Ask for `count` signatures of a role."""

    def change(document: TrustDocument) -> TrustDocument:
        if role not in document.roles:
            raise UsageError(f"The trust document has no role '{role}'.", "'edgeq keys trust add' gives a key a role.")
        roles = {**document.roles, role: replace(document.roles[role], threshold=count)}
        return replace(document, roles=roles)

    return change


def find_key(document: TrustDocument, text: str) -> str | None:
    """The id of the one key of the document with this comment, or whose id begins so (8 digits at least)."""
    found = [
        key
        for key in {*document.keys, *document.revoked}
        if (len(text) >= 8 and key.startswith(text)) or (key in document.keys and document.keys[key].comment == text)
    ]
    return found[0] if len(found) == 1 else None


def needs(path: Path) -> list[Need]:
    """What must sign this version: every role of its own, and every one of the version before, where it is at hand."""
    subject, new = read_signable(path), read_trust_file(path)[0]
    before = [document for document, _ in history(path) if document.version < new.version][-1:]
    return [
        Need(document.version, name, _count(subject, document, role), role.threshold, role.keys)
        for document in (*before, new)
        for name, role in in_order(document)
    ]


def in_order(document: TrustDocument) -> list[tuple[str, Role]]:
    """The roles, builders first."""
    return [(name, document.roles[name]) for name in ROLES if name in document.roles]


def _count(subject: Signable, document: TrustDocument, role: Role) -> int:
    return len(
        {
            key
            for key, signature in subject.signatures
            if key in role.keys and verify(document.keys[key].public, subject.message, signature)
        }
    )


def history(path: Path) -> list[tuple[TrustDocument, Signable]]:
    """The former versions that are at hand, oldest first."""
    found = []
    for place in path.absolute().parent.glob(f"{path.stem}.v*.json"):
        number = place.name[len(path.stem) + 2 : -len(".json")]
        if number.isdigit():
            subject = read_signable(place)
            found.append((read_trust_file(place)[0], subject))
    return sorted(found, key=lambda item: item[0].version)


def steps(path: Path, device_version: int) -> Iterator[tuple[int, Signable]]:
    """What a device at `device_version` must be sent, in order; a device without keys gets the newest alone."""
    newest = read_trust_file(path)[0].version
    if device_version:
        for document, subject in history(path):
            if device_version < document.version < newest:
                yield document.version, subject
    yield newest, read_signable(path)


def _kept(path: Path, version: int) -> Path:
    return path.with_name(f"{path.stem}.v{version}.json")


def _keep(subject: Signable, version: int) -> None:
    kept = _kept(subject.path, version)
    folder = subject.path.absolute().parent
    write(kept, subject.payload, beside=folder)
    write(signature_path(kept), subject.envelope, beside=folder)


def _write(path: Path, document: TrustDocument) -> TrustDocument:
    """The signatures of the version before go first: they are kept, and never lie beside another document."""
    try:
        trust_document.check(document)
        trust_document.decode(document.encode())
    except ValueError as error:
        raise ArtifactError(f"That would be no sound trust document: {error}.", _hint(document)) from error
    signature_path(path).unlink(missing_ok=True)
    write(path, document.encode(), beside=path.absolute().parent)
    return document


def _hint(document: TrustDocument) -> str:
    if any(role.threshold > len(role.keys) for role in document.roles.values()):
        return "Add a key first, or lower the threshold."
    return "'edgeq keys trust show' tells what is in it."
