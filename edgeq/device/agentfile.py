"""The agent as one file: a zipapp with the same bytes for the same sources, built from this installation."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import edgeq
from edgeq.host.paths import home

_PACKAGE = Path(edgeq.__file__).parent
_SOURCES = (
    *("__init__.py", "client.py", "errors.py", "runtime.py", "units.py"),
    *("agent/*.py", "preprocess/*.py", "protocol/*.py", "transaction/*.py"),
)
_MAIN = "import sys\nfrom edgeq.agent.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"


@cache
def agent_bytes() -> bytes:
    """The zipapp; needs only python3 where it runs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for pattern in _SOURCES:
            for path in sorted(_PACKAGE.glob(pattern)):
                _add(archive, "edgeq/" + path.relative_to(_PACKAGE).as_posix(), path.read_bytes())
    return b"#!/usr/bin/env python3\n" + buffer.getvalue()


def agent_sha() -> str:
    """Hex SHA-256 of `agent_bytes`; a running agent names its own in `describe`."""
    return hashlib.sha256(agent_bytes()).hexdigest()


def agent_path() -> Path:
    """The agent as a file of this machine, for `local:`."""
    path = home() / f"agent-{agent_sha()[:16]}.pyz"
    # A name stands for its content, but for a crash of this machine before that was on the disk.
    if not path.exists() or path.stat().st_size != len(agent_bytes()):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several commands may be the first at once: each writes a file of its own, the last rename wins.
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            part.write(agent_bytes())
        Path(part.name).replace(path)
    return path


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, data)
