"""The trust document: which keys may sign for a device, in which roles, how many of each; see docs/signing.md.

Read by host and device alike. A document that is not exactly well formed is refused whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.agent import dsse
from edgeq.agent.ed25519 import usable, verify

KIND = "edgeq-trust"
SCHEMA = 1
BUILDER, APPROVER = "builder", "approver"
ROLES = (BUILDER, APPROVER)
MOST_BYTES = 48 << 10
"""So that a document and its signatures fit into one message."""
MOST_KEYS, MOST_REVOKED, MOST_COMMENT = 64, 256, 100
MOST_VERSION = 10**15
_PUBLIC = re.compile(r"[0-9a-f]{64}")


class NewerSchema(ValueError):
    """The document has a schema that this edgeq does not know."""


@dataclass(frozen=True)
class Key:
    """A public key: 32 bytes, and what people call it."""

    public: bytes
    comment: str = ""

    @property
    def id(self) -> str:
        """Hex SHA-256 of the public key."""
        return key_id(self.public)


@dataclass(frozen=True)
class Role:
    """`threshold` of the keys with these ids must sign."""

    keys: tuple[str, ...]
    threshold: int


@dataclass(frozen=True)
class TrustDocument:
    """`keys` holds those of the roles, each in exactly one, and may keep revoked ones for their comments."""

    version: int
    roles: Mapping[str, Role]
    keys: Mapping[str, Key]
    revoked: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The one form that is read: JSON, UTF-8, keys sorted, `indent=1`, one newline at the end."""
        document = {
            "kind": KIND,
            "schema": SCHEMA,
            "version": self.version,
            "roles": {
                name: {"keys": sorted(role.keys), "threshold": role.threshold} for name, role in self.roles.items()
            },
            "keys": {key: {"public": entry.public.hex(), "comment": entry.comment} for key, entry in self.keys.items()},
            "revoked": sorted(self.revoked),
        }
        return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode("utf-8")

    def name(self, key: str) -> str:
        """A key as people see it: the beginning of its id, and its comment."""
        comment = self.keys[key].comment if key in self.keys else ""
        return f"{key[:12]} ({comment})" if comment else key[:12]

    def signers(self, payload_type: str, payload: bytes, envelope: bytes) -> list[str]:
        """The ids of the keys that signed `payload`, sorted; `ValueError` says why it is not signed as it must be.

        Every role needs its threshold, and a key counts once. Signatures of unknown and of revoked keys do not count;
        one that names a key of ours and is not right spoils the envelope.
        """
        found = dsse.decode(envelope)
        if found.payload_type != payload_type:
            raise ValueError(f"the envelope signs {found.payload_type[:80]!r}, not {payload_type}")
        if found.payload is not None and found.payload != payload:
            raise ValueError("the envelope signs something else")
        signed = dsse.pae(payload_type, payload)
        good: set[str] = set()
        ours = {key for role in self.roles.values() for key in role.keys}
        for key, signature in dict.fromkeys(found.signatures):
            if key in ours:
                if not verify(self.keys[key].public, signed, signature):
                    raise ValueError(f"the signature of key {self.name(key)} is wrong")
                good.add(key)
        self._check_thresholds(good, [key for key, _ in found.signatures])
        return sorted(good)

    def _check_thresholds(self, good: set[str], named: list[str]) -> None:
        for name, role in sorted(self.roles.items(), key=lambda item: ROLES.index(item[0])):
            count = len(good & set(role.keys))
            if count < role.threshold:
                why = f"{count} of {role.threshold} needed signatures of the role {name}"
                revoked = sorted(set(named) & set(self.revoked))
                strange = sorted(set(named) - good - set(self.revoked))
                why += f"; key {self.name(revoked[0])} is revoked" if revoked else ""
                why += f"; key {strange[0][:12]} is not known" if strange else ""
                raise ValueError(why)


def key_id(public: bytes) -> str:
    """Hex SHA-256 of the 32 bytes of a public key, in full: an id that is cut short saves nothing and can be met."""
    return hashlib.sha256(public).hexdigest()


def decode(data: bytes) -> TrustDocument:
    """Read a document and check every rule; `ValueError` names the first that it breaks, `NewerSchema` says so."""
    document = dsse.strict_json(data, MOST_BYTES, "the trust document")
    if not isinstance(document, dict) or document.get("kind") != KIND or not _is_whole(document.get("schema")):
        raise ValueError("this is no trust document")
    if document["schema"] > SCHEMA:
        raise NewerSchema(f"the trust document has schema {document['schema']}; known is {SCHEMA}")
    if set(document) != {"kind", "schema", "version", "roles", "keys", "revoked"} or document["schema"] != SCHEMA:
        raise ValueError("the trust document must hold kind, schema, version, roles, keys, revoked, and nothing else")
    if not _is_whole(document["version"]) or not 1 <= document["version"] <= MOST_VERSION:
        raise ValueError("the version of the trust document is not a number from 1 on")
    found = TrustDocument(
        document["version"],
        {name: _role(name, entry) for name, entry in _table(document["roles"], "roles").items()},
        {key: _key(key, entry) for key, entry in _table(document["keys"], "keys").items()},
        _ids(document["revoked"], "revoked", MOST_REVOKED),
    )
    check(found)
    if found.encode() != data:
        raise ValueError("the trust document is not in its canonical form")
    return found


def check(document: TrustDocument) -> None:
    """What holds between the parts of a document; `ValueError` names the rule that does not."""
    if BUILDER not in document.roles:
        raise ValueError("the trust document has no role builder")
    if len(document.keys) > MOST_KEYS or len(document.revoked) > MOST_REVOKED:
        raise ValueError(f"a trust document holds at most {MOST_KEYS} keys and {MOST_REVOKED} revoked ones")
    placed = [key for role in document.roles.values() for key in role.keys]
    twice = sorted({key for key in placed if placed.count(key) > 1})
    if twice:
        raise ValueError(f"key {document.name(twice[0])} has two roles; who builds does not approve")
    for key in placed:
        if key not in document.keys:
            raise ValueError(f"the public part of key {key[:12]} is missing")
        if key in document.revoked:
            raise ValueError(f"key {document.name(key)} is revoked and cannot have a role")
    idle = sorted(set(document.keys) - set(placed) - set(document.revoked))
    if idle:
        raise ValueError(f"key {document.name(idle[0])} has no role")
    for name, role in document.roles.items():
        if not 1 <= role.threshold <= len(role.keys):
            raise ValueError(f"the role {name} needs {role.threshold} signatures and has {len(role.keys)} keys")


def check_successor(old: TrustDocument, new: TrustDocument) -> None:
    """Whether `new` may follow `old`, its signatures apart; `ValueError` says why not."""
    if new.version <= old.version:
        raise ValueError(f"trust version {new.version} does not follow version {old.version}")
    back = sorted(set(old.revoked) - set(new.revoked))
    if back:
        raise ValueError(f"key {old.name(back[0])} is revoked for good; the new trust document does not say so")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"'{what}' of the trust document is no table")
    return value


def _role(name: str, entry: Any) -> Role:
    if name not in ROLES:
        raise ValueError(f"the role {name[:40]!r} is not known; known: {', '.join(ROLES)}")
    if not isinstance(entry, dict) or set(entry) != {"keys", "threshold"} or not _is_whole(entry["threshold"]):
        raise ValueError(f"the role {name} must hold keys and threshold, and nothing else")
    return Role(_ids(entry["keys"], name, MOST_KEYS), entry["threshold"])


def _ids(value: Any, what: str, most: int) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"'{what}' of the trust document is no list of at most {most} key ids")
    if not all(isinstance(key, str) and dsse.KEY_ID.fullmatch(key) for key in value) or len(set(value)) != len(value):
        raise ValueError(f"'{what}' of the trust document must hold key ids, each once")
    return tuple(value)


def _key(key: str, entry: Any) -> Key:
    if not isinstance(entry, dict) or set(entry) != {"public", "comment"}:
        raise ValueError("a key of the trust document must hold public and comment, and nothing else")
    public, comment = entry["public"], entry["comment"]
    if not isinstance(public, str) or not _PUBLIC.fullmatch(public) or key_id(bytes.fromhex(public)) != key:
        raise ValueError(f"key {key[:12]} is not named by the SHA-256 of its public part")
    if not isinstance(comment, str) or len(comment) > MOST_COMMENT or not (comment.isprintable() or not comment):
        raise ValueError(f"the comment of key {key[:12]} is not one line of at most {MOST_COMMENT} characters")
    if not usable(bytes.fromhex(public)):
        raise ValueError(f"key {key[:12]} is no sound ed25519 key")
    return Key(bytes.fromhex(public), comment)
