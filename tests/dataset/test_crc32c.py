from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.dataset.crc32c import crc32c, masked


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        # RFC 3720, B.4, and the usual check value.
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_known_sums(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def plain(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@settings(max_examples=40)
@given(st.binary(max_size=50), st.integers(0, 40))
def test_blocks_are_joined_as_if_there_were_none(data: bytes, times: int) -> None:
    long = data * times
    assert crc32c(long) == plain(long)
    assert crc32c(long + b"\0") == plain(long + b"\0")


def test_masked() -> None:
    crc = crc32c(b"edgeq")
    assert masked(b"edgeq") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
