"""Wheels as they come to a device: one that cannot be unpacked is told, and leaves nothing."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from edgeq.agent.errors import Refused
from edgeq.agent.store import Store
from edgeq.agent.wheels import runtime_folder, unpack
from edgeq.protocol.status import Status

LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"
FLAGS, METHOD = 6, 8
"""Where they are behind the first of a local entry; two bytes further in the directory's."""


MEMBER = "runtime/__init__.py"


def wheel() -> bytes:
    archive, entry = io.BytesIO(), zipfile.ZipInfo(MEMBER)
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(entry, "NAME = 'runtime'\n" * 100)
    return archive.getvalue()


def edited(place: int, value: int) -> bytes:
    """A wheel with another value in both headers of its one entry."""
    changed = bytearray(wheel())
    changed[changed.index(LOCAL) + place] = changed[changed.index(CENTRAL) + place + 2] = value
    return bytes(changed)


def damaged() -> bytes:
    """A wheel whose one entry does not begin as what is compressed does."""
    start = wheel().index(MEMBER.encode()) + len(MEMBER)
    return wheel()[:start] + b"\xff" * 11 + wheel()[start + 11 :]


def put(store: Store, data: bytes) -> str:
    sha = hashlib.sha256(data).hexdigest()
    store.blobs.put(sha, 0, len(data), data)
    return sha


def test_a_wheel_is_unpacked_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    sha, notes = put(store, wheel()), list[str]()
    for _ in range(2):
        unpack(store, [sha], notes.append)
    assert (runtime_folder(store, [sha]) / MEMBER).read_text().startswith("NAME")
    assert notes == ["unpacking runtime 1 of 1"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no archive", "not a zip file"),
        (edited(FLAGS, 1), "encrypted"),
        (edited(METHOD, 99), "compression"),
        (damaged(), "invalid block type"),
    ],
    ids=["no archive", "encrypted", "another compression", "damaged"],
)
def test_one_that_cannot_be_unpacked_is_told(tmp_path: Path, data: bytes, said: str) -> None:
    store = Store(tmp_path)
    sha = put(store, data)
    with pytest.raises(Refused, match=f"a runtime wheel cannot be unpacked: .*{said}") as no:
        unpack(store, [sha], lambda _: None)
    assert no.value.status == Status.INVALID
    assert not list((tmp_path / "runtimes").iterdir())
