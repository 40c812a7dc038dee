"""DSSE v1 envelopes (https://github.com/secure-systems-lab/dsse): a payload, its type, and who signed both.

What is signed is `pae(type, payload)`, so that a signature of one kind of document is never one of another. An envelope
without a payload is *detached*: the payload is the file that it lies beside. Read by host and device alike.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

MANIFEST_TYPE = "application/vnd.edgeq.manifest+json"
TRUST_TYPE = "application/vnd.edgeq.trust+json"
MOST_SIGNATURES = 64
MOST_BYTES = 8 << 20
"""Of an envelope: the largest manifest in base64, and the signatures."""
KEY_ID = re.compile(r"[0-9a-f]{64}")
_MOST_DIGITS = 16


@dataclass(frozen=True)
class Envelope:
    """`signatures` are (key id, 64 bytes), in the order of the file; nothing is known yet of whether they are right."""

    payload_type: str
    payload: bytes | None
    signatures: tuple[tuple[str, bytes], ...]

    def encode(self) -> bytes:
        """JSON, keys sorted, `indent=1`, one newline at the end."""
        listed = [{"keyid": key, "sig": base64.b64encode(value).decode()} for key, value in self.signatures]
        document: dict[str, Any] = {"payloadType": self.payload_type, "signatures": listed}
        if self.payload is not None:
            document["payload"] = base64.b64encode(self.payload).decode()
        return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()

    def detached(self) -> Envelope:
        """The same without its payload, which is how it travels beside it."""
        return Envelope(self.payload_type, None, self.signatures)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def decode(data: bytes) -> Envelope:
    """Read an envelope, strictly: `ValueError` for whatever is not exactly one."""
    document = strict_json(data, MOST_BYTES, "the envelope")
    if not isinstance(document, dict) or not {"payloadType", "signatures"} <= set(document) <= {
        "payload",
        "payloadType",
        "signatures",
    }:
        raise ValueError("the envelope is none: it must hold payloadType, signatures and payload, and nothing else")
    kind, listed = document["payloadType"], document["signatures"]
    if not isinstance(kind, str) or not isinstance(listed, list):
        raise ValueError("the envelope breaks the schema")
    if len(listed) > MOST_SIGNATURES:
        raise ValueError(f"the envelope holds {len(listed)} signatures; {MOST_SIGNATURES} are the most")
    payload = _bytes(document["payload"]) if "payload" in document else None
    return Envelope(kind, payload, tuple(_signature(item) for item in listed))


def _signature(item: Any) -> tuple[str, bytes]:
    if not isinstance(item, dict) or set(item) != {"keyid", "sig"}:
        raise ValueError("a signature of the envelope must hold keyid and sig, and nothing else")
    key, value = item["keyid"], _bytes(item["sig"])
    if not isinstance(key, str) or not KEY_ID.fullmatch(key):
        raise ValueError("the keyid of a signature is not 64 hexadecimal digits")
    if len(value) != 64:
        raise ValueError(f"a signature has {len(value)} bytes; ed25519 has 64")
    return key, value


def _bytes(text: Any) -> bytes:
    """Canonical base64 only, so that no bit of an envelope can change unseen."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, ValueError) as error:
        raise ValueError("the envelope holds what is no base64") from error
    if base64.b64encode(data).decode() != text:
        raise ValueError("the envelope holds base64 that is not canonical")
    return data


def strict_json(data: bytes, most: int, what: str) -> Any:
    """JSON in UTF-8 of at most `most` bytes: no key twice, whole numbers of at most 16 digits, no deep nesting.

    `ValueError` says what is wrong with `what`.
    """
    if len(data) > most:
        raise ValueError(f"{what} has {len(data)} bytes; {most} are the most")
    try:
        return json.loads(
            bytes(data).decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_whole,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except RecursionError:
        raise ValueError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{what} is no sound JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a number is too long")
    return int(text)


def _no_number(text: str) -> Any:
    raise ValueError(f"'{text[:20]}' is no whole number")
