from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.quantize.pieces import Ended, read_pieces, write_pieces


@settings(max_examples=50)
@given(st.lists(st.lists(st.binary(max_size=40), max_size=5), max_size=4))
def test_messages_come_back_one_by_one(messages: list[list[bytes]]) -> None:
    stream = io.BytesIO()
    for pieces in messages:
        write_pieces(stream, pieces)
    stream.seek(0)
    assert [read_pieces(stream) for _ in messages] == messages
    with pytest.raises(Ended):
        read_pieces(stream)


@settings(max_examples=50)
@given(st.integers(0, 30))
def test_a_message_that_is_cut_short_is_an_end(length: int) -> None:
    stream = io.BytesIO()
    write_pieces(stream, [b"first", b"second"])
    assert len(stream.getvalue()) == 31
    with pytest.raises(Ended):
        read_pieces(io.BytesIO(stream.getvalue()[:length]))


@pytest.mark.parametrize("data", [struct.pack("<I", 1 << 31), struct.pack("<IQ", 1, 1 << 63)])
def test_absurd_counts_and_lengths_are_an_end(data: bytes) -> None:
    with pytest.raises(Ended):
        read_pieces(io.BytesIO(data))
