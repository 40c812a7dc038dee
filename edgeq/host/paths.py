"""Where edgeq keeps its own files, and where those that ship with it lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgeq.errors import UsageError


def home() -> Path:
    """`EDGEQ_HOME`, else `edgeq` in the user's data folder (`~/.local/share` on Linux): caches, emulators, the store of
    `local:`."""
    return Path(os.environ.get("EDGEQ_HOME") or _data_folder() / "edgeq")


def _data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "share"


def offline() -> bool:
    """Whether `EDGEQ_OFFLINE` says that nothing may be fetched."""
    return os.environ.get("EDGEQ_OFFLINE", "") not in ("", "0")


def shipped(name: str) -> Path:
    """A top-level folder of the repository (`targets`, `firmware_stubs`), in a checkout or in an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "_data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise UsageError(f"This installation of edgeq lacks its folder '{name}'.", "Install edgeq again.")


def write_whole(path: Path, text: str, mode: int | None = None) -> None:
    """Write a file by rename, so that a reader sees the old text or the new one; its folder is made.

    `mode` is its permissions, else what the user's umask leaves. `OSError` where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    if mode is not None:
        part.chmod(mode)
    part.replace(path)
