"""Blobs arrive in order and whole, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgeq.agent.blobs import Blobs
from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_blob_arrives_in_chunks_and_only_in_order(tmp_path: Path) -> None:
    blobs, data = Blobs(tmp_path), b"0123456789"
    assert blobs.wanted(sha(data)) == 0
    assert blobs.put(sha(data), 0, 10, data[:4]) == 4
    assert blobs.put(sha(data), 7, 10, data[7:]) == 4
    assert blobs.put(sha(data), 0, 10, data[:4]) == 4
    blobs.close_part()
    reopened = Blobs(tmp_path)
    assert reopened.wanted(sha(data)) == 4
    assert reopened.put(sha(data), 4, 10, data[4:]) == 10
    assert reopened.wanted(sha(data)) is None
    assert reopened.put(sha(data), 0, 10, data[:4]) == 10
    assert reopened.path(sha(data)).read_bytes() == data


def test_a_blob_with_other_bytes_is_dropped(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with pytest.raises(Refused) as no:
        blobs.put(sha(b"right"), 0, 5, b"wrong")
    assert no.value.status == Status.DIGEST
    assert blobs.wanted(sha(b"right")) == 0


@pytest.mark.parametrize(
    ("name", "offset", "length", "data"),
    [("../../etc/passwd", 0, 3, b"abc"), ("A" * 64, 0, 3, b"abc"), ("a" * 64, 2, 3, b"abc"), ("a" * 64, 0, 0, b"")],
)
def test_nonsense_is_refused(tmp_path: Path, name: str, offset: int, length: int, data: bytes) -> None:
    with pytest.raises(Refused) as no:
        Blobs(tmp_path).put(name, offset, length, data)
    assert no.value.status == Status.INVALID


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Blobs(tmp_path)
    monkeypatch.setattr("edgeq.agent.blobs.MARGIN_BYTES", 1 << 60)
    with pytest.raises(Refused) as no:
        blobs.put("a" * 64, 0, 100, b"a")
    assert no.value.status == Status.NO_SPACE
    assert list((tmp_path / "incoming").iterdir()) == []
