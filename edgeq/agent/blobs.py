"""Content-addressed blobs: what arrived and proved to be what it was promised to be.

::

    ROOT/blobs/<sha256>          complete, verified, durable
    ROOT/incoming/<sha256>.part  on its way; resumed from its length
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from edgeq.agent.errors import Refused
from edgeq.agent.files import sha256_of, sync_folder
from edgeq.protocol.status import Status

MAX_BLOB_BYTES = 1 << 32
MARGIN_BYTES = 4 << 20


class Blobs:
    """The blobs of one store. The caller serialises every method that changes something."""

    def __init__(self, root: Path) -> None:
        self._root = root
        for name in ("blobs", "incoming"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._incoming: tuple[str, int, Any] | None = None

    def path(self, sha: str) -> Path:
        """Where the blob is, or would be. `sha` is checked to be one."""
        if not re.fullmatch(r"[0-9a-f]{64}", sha):
            raise Refused(Status.INVALID, "a blob is named by 64 hexadecimal digits")
        return self._root / "blobs" / sha

    def wanted(self, sha: str) -> int | None:
        """The offset that is wanted next of this blob, or None where it is complete."""
        if self.path(sha).exists():
            return None
        part = self._root / "incoming" / f"{sha}.part"
        return part.stat().st_size if part.exists() else 0

    def put(self, sha: str, offset: int, length: int, data: bytes) -> int:
        """Take the chunk if it is the wanted one; the answer is the offset wanted next (`length` when complete)."""
        if not 0 < length <= MAX_BLOB_BYTES or not 0 <= offset <= offset + len(data) <= length:
            raise Refused(Status.INVALID, f"a chunk of {len(data)} bytes at {offset} of {length}")
        if self._incoming is None or self._incoming[0] != sha:
            if self.wanted(sha) is None:
                return length
            self._open_part(sha, length)
        assert self._incoming is not None
        _, have, (file, digest) = self._incoming
        if offset != have:
            return have
        try:
            _write_all(file, data)
        except OSError:
            self.close_part()
            (self._root / "incoming" / f"{sha}.part").unlink(missing_ok=True)
            raise
        digest.update(data)
        self._incoming = (sha, have + len(data), (file, digest))
        if have + len(data) == length:
            self._finish_part(sha)
        return have + len(data)

    def _open_part(self, sha: str, length: int) -> None:
        self.close_part()
        part = self._root / "incoming" / f"{sha}.part"
        have = part.stat().st_size if part.exists() else 0
        if have > length:
            part.unlink()
            have = 0
        self.need_space(length - have)
        digest = hashlib.sha256()
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        file = os.fdopen(fd, "r+b", buffering=0)
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
        self._incoming = (sha, have, (file, digest))

    def _finish_part(self, sha: str) -> None:
        assert self._incoming is not None
        file, digest = self._incoming[2]
        part = self._root / "incoming" / f"{sha}.part"
        try:
            if digest.hexdigest() != sha:
                part.unlink()
                raise Refused(Status.DIGEST, f"what arrived has SHA-256 {digest.hexdigest()}, not {sha}")
            os.fsync(file.fileno())
        finally:
            self.close_part()
        part.replace(self.path(sha))
        sync_folder(self._root / "blobs")

    def close_part(self) -> None:
        """Let go of the blob that is on its way; it can be resumed."""
        if self._incoming is not None:
            self._incoming[2][0].close()
            self._incoming = None

    def keep(self, shas: Collection[str]) -> None:
        """Drop every blob that is not among these, and what came of others: nobody may ever send the rest."""
        for blob in (self._root / "blobs").iterdir():
            if blob.name not in shas:
                blob.unlink()
        self.close_part()
        for part in (self._root / "incoming").iterdir():
            part.unlink()

    def need_space(self, size: int) -> None:
        """Refuse before anything is written if `size` bytes and a margin do not fit."""
        free = shutil.disk_usage(self._root).free
        if free < size + MARGIN_BYTES:
            raise Refused(Status.NO_SPACE, f"{size} bytes are needed (and {MARGIN_BYTES} of margin); {free} are free")

    def take(self, sha: str) -> Path:
        """A blob that is about to be used, hashed again: a damaged one is dropped, so that it can be sent anew."""
        path = self.path(sha)
        if not path.exists():
            raise Refused(Status.NOT_FOUND, f"blob {sha[:12]} has not arrived")
        if sha256_of(path) != sha:
            path.unlink()
            raise Refused(
                Status.DIGEST, f"blob {sha[:12]} was damaged on the device and has been dropped; send it again"
            )
        return path


def _write_all(file: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
