"""Console frames against the `smp` package, and the decoder against noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smp import packet

from edgeq.protocol import console

messages = st.binary(min_size=1, max_size=600)
text = st.text("abc ABC123=+/:\r\n\t", max_size=200).map(str.encode)


@given(messages)
def test_bytes_equal_those_of_the_smp_package(message: bytes) -> None:
    assert console.encode(message) == b"".join(packet.encode(message))


@given(messages, st.integers(8, 300))
def test_frames_of_the_smp_package_are_read_whatever_their_line_length(message: bytes, line: int) -> None:
    decoder = console.Decoder()
    assert decoder.feed(b"".join(packet.encode(message, line_length=line))) == [message]
    assert decoder.damaged == 0


@given(messages)
def test_the_smp_package_reads_our_frames(message: bytes) -> None:
    decoder = packet.decode()
    next(decoder)
    with pytest.raises(StopIteration) as done:
        for line in console.encode(message).splitlines(keepends=True):
            decoder.send(line)
    assert done.value.value == message


def test_a_line_has_at_most_127_bytes() -> None:
    lines = console.encode(bytes(2044)).splitlines(keepends=True)
    assert (len(lines), sum(map(len, lines))) == (23, 2801)
    assert max(map(len, lines)) <= console.LINE_BYTES


@given(st.lists(st.tuples(messages, text), max_size=4), st.lists(st.integers(1, 50), min_size=1))
def test_text_between_frames_and_any_cutting_change_nothing(sent: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(words + console.encode(message) + words for message, words in sent)
    decoder, got, at, turn = console.Decoder(), [], 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        got += decoder.feed(stream[at : at + step])
        at, turn = at + step, turn + 1
    assert got == [message for message, _ in sent]
    assert decoder.damaged == 0


@given(st.binary(max_size=300))
def test_after_any_noise_the_next_frame_but_one_is_read(noise: bytes) -> None:
    decoder = console.Decoder()
    frame = console.encode(b"a message")
    assert b"a message" in decoder.feed(noise + frame + frame)


def test_text_between_the_lines_of_one_frame_and_carriage_returns_do_no_harm() -> None:
    frame = console.encode(bytes(range(200))).replace(b"\n", b"\r\nboot: ok\r\n")
    assert console.Decoder().feed(frame) == [bytes(range(200))]


@pytest.mark.parametrize("at", [0, 1, 2, 40, 126, 127, 130, 200])
def test_a_damaged_byte_costs_one_frame_and_is_counted_once(at: int) -> None:
    frame, decoder = bytearray(console.encode(bytes(range(180)))), console.Decoder()
    frame[at] ^= 0x15
    good = console.encode(b"good")
    assert decoder.feed(good + bytes(frame) + good + good) == [b"good"] * 3
    assert decoder.damaged == 1


def test_a_lost_newline_costs_one_frame() -> None:
    frame, decoder = console.encode(bytes(range(180))), console.Decoder()
    assert decoder.feed(frame[:-1] + console.encode(b"good")) == [b"good"]
    assert decoder.damaged == 1


def test_lengths_that_are_too_long_or_lie_are_refused() -> None:
    decoder = console.Decoder(max_message=100)
    assert decoder.feed(console.encode(bytes(100))) == [bytes(100)]
    assert decoder.feed(console.encode(bytes(101)) + b"\x06\x09AAA=\n\x06\x09\n\x06\x09!!!!\n") == []
    assert decoder.damaged == 4
    with pytest.raises(ValueError, match="fit"):
        console.encode(bytes(65534))


def test_a_line_without_end_takes_no_memory() -> None:
    decoder = console.Decoder()
    for _ in range(100):
        decoder.feed(b"x" * 10000)
    assert len(decoder._line) < 10000
    assert decoder.feed(b"\n" + console.encode(b"good")) == [b"good"]
