"""COBS frames: published vectors, any bytes there and back, and the decoder against noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.protocol import cobs

messages = st.binary(min_size=1, max_size=600)
dense = st.integers(1, 1200).map(lambda n: (bytes(range(1, 256)) * 5)[:n])


# Cheshire and Baker's encoding, as in the examples of Wikipedia's article.
@pytest.mark.parametrize(
    ("data", "stuffed"),
    [
        ("", "01"),
        ("00", "0101"),
        ("0000", "010101"),
        ("001100", "01021101"),
        ("11220033", "0311220233"),
        ("11223344", "0511223344"),
        ("11000000", "02110101 01"),
        (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
        (bytes(range(255)).hex(), "01ff" + bytes(range(1, 255)).hex()),
        (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff"),
        ((bytes(range(2, 256)) + b"\0").hex(), "ff" + bytes(range(2, 256)).hex() + "0101"),
        ((bytes(range(3, 256)) + b"\0\1").hex(), "fe" + bytes(range(3, 256)).hex() + "0201"),
    ],
)
def test_vectors(data: str, stuffed: str) -> None:
    assert cobs.stuff(bytes.fromhex(data)).hex() == stuffed.replace(" ", "")
    assert cobs.unstuff(bytes.fromhex(stuffed)).hex() == data


@given(st.binary(max_size=1200) | dense)
def test_there_and_back_without_zeros_within_the_bound(data: bytes) -> None:
    stuffed = cobs.stuff(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + -(-len(data) // 254) + 1
    assert cobs.unstuff(stuffed) == data


def test_an_empty_block_behind_a_full_last_one_is_read_too() -> None:
    data = bytes(range(1, 255))
    assert cobs.unstuff(cobs.stuff(data) + b"\1") == data


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_any_cutting_gives_the_same_messages(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(cobs.encode, sent))
    decoder, got, at, turn = cobs.Decoder(), [], 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        got += decoder.feed(stream[at : at + step])
        at, turn = at + step, turn + 1
    assert (got, decoder.damaged) == (sent, 0)


@given(st.binary(max_size=300))
def test_after_any_noise_the_next_frame_is_read(noise: bytes) -> None:
    assert cobs.Decoder().feed(noise + cobs.encode(b"a message"))[-1] == b"a message"


def test_text_between_frames_is_not_damage() -> None:
    decoder = cobs.Decoder()
    frame = cobs.encode(b"good")
    assert decoder.feed(b"\x1b[1mboot\r\n" + frame + b"tick 1\n" + frame) == [b"good"] * 2
    assert decoder.damaged == 0


@pytest.mark.parametrize("at", range(1, 12))
def test_a_damaged_byte_costs_one_frame_and_is_counted_once(at: int) -> None:
    frame, decoder = bytearray(cobs.encode(b"a \0 message")), cobs.Decoder()
    frame[at] ^= 0x80
    good = cobs.encode(b"good")
    assert decoder.feed(good + bytes(frame) + good) == [b"good"] * 2
    assert decoder.damaged == 1


@pytest.mark.parametrize("at", [0, -1])
def test_a_lost_zero_costs_at_most_its_own_frame(at: int) -> None:
    frame, decoder = bytearray(cobs.encode(b"a message")), cobs.Decoder()
    del frame[at]
    assert decoder.feed(cobs.encode(b"one") + bytes(frame) + cobs.encode(b"two")) == [b"one", b"a message", b"two"]


def test_too_long_frames_are_dropped_and_take_no_memory() -> None:
    decoder = cobs.Decoder(max_message=100)
    assert decoder.feed(cobs.encode(bytes(100)) + cobs.encode(b"\1" * 100)) == [bytes(100), b"\1" * 100]
    for _ in range(100):
        decoder.feed(b"\xaa" * 10000)
    assert len(decoder._buffer) < 200
    assert decoder.feed(cobs.encode(b"\1" * 300) + cobs.encode(b"good")) == [b"good"]
    assert decoder.damaged == 2


def test_a_crc_alone_is_no_message() -> None:
    decoder = cobs.Decoder()
    assert decoder.feed(b"\0" + cobs.stuff(b"\0\0") + b"\0\0\0") == []
    assert decoder.damaged == 1
