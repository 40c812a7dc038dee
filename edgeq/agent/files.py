"""Files that survive a power cut: write, fsync, rename, fsync the folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    _sync(folder, os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Make the bytes of `path` durable."""
    _sync(path, os.O_NOFOLLOW)


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_json(path: Path, document: Any) -> None:
    """Replace a small document whole or not at all, durably."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()  # Where space is short, half a document must not take any.
        raise
    sync_folder(path.parent)


def replace_link(path: Path, to: str) -> None:
    """Point the symbolic link `path` at `to`; whoever opens it sees the old one or the new one, never none."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    part.symlink_to(to)
    part.replace(path)
    sync_folder(path.parent)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file that is not a symbolic link."""
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def refusal(error: OSError) -> Refused:
    """What to tell the host about a failure of the device's storage."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(Status.NO_SPACE, "the device has no space left")
    reason = "is read-only" if error.errno == errno.EROFS else os.strerror(error.errno or errno.EIO)
    return Refused(Status.IO, f"the device's storage failed: {error.filename or 'a file'}: {reason}")
