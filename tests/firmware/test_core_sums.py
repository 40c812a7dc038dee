"""Checksums and digests against Python's own."""

from __future__ import annotations

import binascii
import hashlib
import struct
import zlib

import pytest
from cdrive import Ask
from hypothesis import given
from hypothesis import strategies as st


@given(data=st.binary(max_size=500))
def test_both_crcs(drive: Ask, data: bytes) -> None:
    _, answer = drive("crcs", data)
    assert struct.unpack("<II", answer) == (binascii.crc_hqx(data, 0), zlib.crc32(data))


@given(data=st.binary(max_size=500), piece=st.integers(1, 200))
def test_sha256_in_pieces_of_any_size(drive: Ask, data: bytes, piece: int) -> None:
    assert drive("sha256", struct.pack("<I", piece) + data)[1] == hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 100_000])
def test_sha256_at_the_rims_of_its_blocks(drive: Ask, size: int) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    assert drive("sha256", struct.pack("<I", 64) + data)[1] == hashlib.sha256(data).digest()
