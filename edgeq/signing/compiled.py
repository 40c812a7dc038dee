"""Trust as C: the keys that firmware is built with, from a trust document (`edgeq firmware build --trust`)."""

from __future__ import annotations

from pathlib import Path

from edgeq.agent import trust_document
from edgeq.agent.trust_document import ROLES, TrustDocument
from edgeq.errors import UsageError

MOST_KEYS, MOST_SIGNATURES = 4, 2
"""Of `struct eq_trust` and `struct eq_signatures` (include/edgeq/eq_trust.h)."""
KEY_ID_BYTES = 8
_HINT = "'edgeq keys trust' makes such a document; docs/signing.md tells what a microcontroller takes."


def read_trust(path: Path) -> TrustDocument:
    """The trust document in a file. `UsageError` where it is none, or more than a microcontroller takes."""
    try:
        document = trust_document.decode(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' cannot be used as a trust document: {error}.", _HINT) from error
    keys = sum(len(role.keys) for role in document.roles.values())
    needed = sum(role.threshold for role in document.roles.values())
    if keys > MOST_KEYS or needed > MOST_SIGNATURES:
        raise UsageError(
            f"The trust document '{path}' asks for {needed} signatures by {keys} keys; a microcontroller takes "
            f"{MOST_SIGNATURES} by {MOST_KEYS} at most.",
            "Make one for these devices, with fewer keys or smaller thresholds.",
        )
    return document


def key_ids(document: TrustDocument) -> tuple[str, ...]:
    """The keys that are compiled in, in their order there."""
    return tuple(key for role in ROLES if role in document.roles for key in sorted(document.roles[role].keys))


def trust_source(document: TrustDocument) -> str:
    """C source that defines `eq_port_trust`; the same document gives the same bytes."""
    thresholds = [document.roles[role].threshold if role in document.roles else 0 for role in ROLES]
    role_of = {key: role for role, entry in document.roles.items() for key in entry.keys}
    ids = key_ids(document)
    rows = "".join(
        f"        {{{_bytes(bytes.fromhex(key)[:KEY_ID_BYTES])}, {_bytes(document.keys[key].public)}, "
        f"EQ_{role_of[key].upper()}}},\n"
        for key in ids
    )
    return (
        f"/* Keys of version {document.version} of a trust document, by edgeq firmware build --trust. */\n"
        '#include "eq_port.h"\n\n'
        "static const struct eq_trust trust = {\n"
        "    .check = eq_trust_check,\n"
        f"    .threshold = {{{thresholds[0]}, {thresholds[1]}}},\n"
        f"    .count = {len(ids)},\n"
        f"    .key = {{\n{rows}    }},\n"
        "};\n\n"
        "const struct eq_trust *const eq_port_trust = &trust;\n"
    )


def _bytes(data: bytes) -> str:
    return "{" + ", ".join(f"0x{byte:02x}" for byte in data) + "}"
