"""Runtime wheels on the device: unpacked once per set, under `runtimes/<key>/`."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from edgeq.agent.errors import Refused
from edgeq.agent.files import sync_folder
from edgeq.agent.store import Store, runtime_key
from edgeq.protocol.status import Status

MAX_UNPACKED_BYTES = 2 << 30


def runtime_folder(store: Store, shas: Sequence[str]) -> Path:
    """Where these wheels are, or will be, unpacked together."""
    return store.root / "runtimes" / runtime_key(shas)


def unpack(store: Store, shas: Sequence[str], note: Callable[[str], None]) -> None:
    """Unpack the wheels with these digests into their folder, unless that was done before."""
    folder = runtime_folder(store, shas)
    if folder.exists():
        return
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        for sha in shas:
            note(f"unpacking runtime {shas.index(sha) + 1} of {len(shas)}")
            _unpack_one(store, store.blobs.take(sha), part)
        os.sync()
        part.replace(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack_one(store: Store, wheel: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > MAX_UNPACKED_BYTES:
                raise Refused(Status.INVALID, f"a runtime wheel unpacks to {total} bytes")
            store.blobs.need_space(total)
            for member in members:
                # zipfile drops "..", drive letters and leading slashes, and writes symbolic links as plain files.
                archive.extract(member, folder)
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:  # encrypted, unknown method, cut, damaged
        raise Refused(Status.INVALID, f"a runtime wheel cannot be unpacked: {error}") from error
