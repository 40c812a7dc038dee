"""Where edgeq keeps its own files, and where those that ship with it lie."""

from __future__ import annotations

import os
from pathlib import Path

from edgeq.errors import UsageError


def home() -> Path:
    """`EDGEQ_HOME`, else `~/.local/share/edgeq`: caches, emulators, the store behind `local:`."""
    return Path(os.environ.get("EDGEQ_HOME") or Path.home() / ".local" / "share" / "edgeq")


def offline() -> bool:
    """Whether `EDGEQ_OFFLINE` says that nothing may be fetched."""
    return os.environ.get("EDGEQ_OFFLINE", "") not in ("", "0")


def shipped(name: str) -> Path:
    """A top-level folder of the repository (`targets`, `firmware_stubs`), in a checkout or in an installed wheel."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "_data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise UsageError(f"This installation of edgeq lacks its folder '{name}'.", "Install edgeq again.")
