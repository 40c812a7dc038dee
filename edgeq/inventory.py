"""What this host knows about devices without asking them: when each was last seen, and what served on it then.

One small file per address in `EDGEQ_HOME/devices`, replaced by rename: commands that run at once on other devices
never touch the same file, and on the same device the last one wins.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import re
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from edgeq.host.paths import home

MOST_BYTES = 1 << 16
EMPTY = "empty"
"""The state of a device on which nothing serves; that of one where nobody asked yet is empty text."""


@dataclass(frozen=True)
class Seen:
    """The last successful contact with an address: `last_seen` is UTC (ISO 8601), the rest is what served then, or
    the state EMPTY where nothing did."""

    address: str
    last_seen: str
    digest: str = ""
    name: str = ""
    state: str = ""


def seen(address: str, *, digest: str | None = None, name: str = "", state: str = "") -> None:
    """Remember a successful contact of now. `digest` None means that nobody asked what serves: what was known stays.

    Never fails: a folder that cannot be written must not spoil what the contact was for.
    """
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if digest is None:
        before = known(address)
        digest, name, state = (before.digest, before.name, before.state) if before else ("", "", "")
    with contextlib.suppress(OSError):
        _replace(_file(address), json.dumps(asdict(Seen(address, now, digest, name, state)), indent=1) + "\n")


def known(address: str) -> Seen | None:
    """What is remembered about an address."""
    return _read(_file(address))


def all_known() -> list[Seen]:
    """Everything that is remembered, by address; what is damaged is left out."""
    found = [_read(path) for path in _folder().glob("*.json")]
    return sorted((item for item in found if item), key=lambda item: item.address)


def _folder() -> Path:
    return home() / "devices"


def _file(address: str) -> Path:
    """A name that people can read and that no two addresses share."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", address).strip("-.")[:60]
    return _folder() / f"{plain}-{hashlib.sha256(address.encode()).hexdigest()[:12]}.json"


def _read(path: Path) -> Seen | None:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(MOST_BYTES))
        values = {field.name: document[field.name] for field in fields(Seen)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return Seen(**values) if all(isinstance(value, str) for value in values.values()) else None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as part:
        part.write(text)
    try:
        Path(part.name).replace(path)
    except OSError:
        Path(part.name).unlink(missing_ok=True)
        raise
