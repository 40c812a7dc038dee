"""The core's framings against the host's, the `smp` package, and noise."""

from __future__ import annotations

import binascii
import struct

import pytest
from cdrive import Ask
from hypothesis import given
from hypothesis import strategies as st
from smp import packet

from edgeq.protocol import cobs, console
from edgeq.protocol.smp import READ, WRITE, Message

CONSOLE, COBS = 1, 2
BUFFER = 700


def console_frame(message: bytes) -> bytes:
    """As mcumgr has it: lines of 127 bytes, which is one more than `smp` can make."""
    return b"".join(packet.encode(message, line_length=128))


def frame(framing: int, message: bytes) -> bytes:
    return cobs.encode(message) if framing == COBS else console_frame(message)


def receive(
    drive: Ask, stream: bytes, buffer: int = BUFFER, silent_before: int = 0
) -> tuple[list[tuple[int, bytes]], int]:
    """`(framing, message)` of each that arrived, and how many were dropped."""
    status, answer = drive("receive", struct.pack("<II", buffer, silent_before) + stream)
    assert status == 0
    messages, at = [], 4
    while at < len(answer):
        framing, length = struct.unpack_from("<II", answer, at)
        messages.append((framing, answer[at + 8 : at + 8 + length]))
        at += 8 + length
    return messages, struct.unpack_from("<I", answer)[0]


framings = st.sampled_from([CONSOLE, COBS])
bodies = st.binary(max_size=600) | st.binary(min_size=240, max_size=270).map(lambda data: data.replace(b"\0", b"\1"))
messages = st.builds(
    lambda op, sequence, data: Message(op, 64, 2, sequence, {"data": data}).encode(),
    st.sampled_from([READ, WRITE]),
    st.integers(0, 255),
    bodies,
)
# No marker, and nothing that a COBS frame could begin with.
noise = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=50).map(
    lambda text: text.encode() + b"\r\n"
)


@given(message=messages, framing=framings)
def test_frames_are_those_of_the_host(drive: Ask, message: bytes, framing: int) -> None:
    _, sent = drive("transmit", struct.pack("<I", framing) + message)
    assert sent == frame(framing, message)
    assert (cobs.Decoder() if framing == COBS else console.Decoder()).feed(sent) == [message]


@given(message=messages)
def test_the_host_s_console_lines(drive: Ask, message: bytes) -> None:
    assert receive(drive, console.encode(message)) == ([(CONSOLE, message)], 0)
    assert receive(drive, console.encode(message).replace(b"\n", b"\r\n")) == ([(CONSOLE, message)], 0)


@pytest.mark.parametrize("size", [1, 2, 89, 90, 91, 92, 182, 183, 251, 252, 253, 254, 255, 508, 2000, 65533])
@pytest.mark.parametrize("filler", [0, 1, 255])
@pytest.mark.parametrize("framing", [CONSOLE, COBS])
def test_frames_at_the_rims_of_lines_and_blocks(drive: Ask, size: int, filler: int, framing: int) -> None:
    message = b"\x0a\0" + bytes((filler,)) * size
    message = message[:65533]
    _, sent = drive("transmit", struct.pack("<I", framing) + message)
    assert sent == frame(framing, message)
    assert receive(drive, sent, len(message) + 4) == ([(framing, message)], 0)
    assert framing == COBS or max(map(len, sent.splitlines(keepends=True))) <= 127


@given(frames=st.lists(st.tuples(framings, messages, st.lists(noise, max_size=2).map(b"".join)), max_size=5))
def test_any_mixture_of_framings_with_console_output_between(
    drive: Ask, frames: list[tuple[int, bytes, bytes]]
) -> None:
    stream = b"".join(noise + frame(framing, message) for framing, message, noise in frames)
    assert receive(drive, stream) == ([(framing, message) for framing, message, _ in frames], 0)


@given(message=messages, noise=noise)
def test_console_output_between_the_lines_of_a_frame(drive: Ask, message: bytes, noise: bytes) -> None:
    stream = noise.join(console_frame(message).splitlines(keepends=True))
    assert receive(drive, stream) == ([(CONSOLE, message)], 0)


@given(
    before=messages, spoilt=messages, after=messages, framing=framings, then=framings,
    at=st.integers(0, 1 << 16), flip=st.integers(1, 255), kind=st.sampled_from(["flip", "drop", "double"]),
)  # fmt: skip
def test_one_bad_byte_costs_at_most_its_frame_and_is_never_believed(
    drive: Ask, before: bytes, spoilt: bytes, after: bytes, framing: int, then: int, at: int, flip: int, kind: str
) -> None:
    data = bytearray(frame(framing, spoilt))
    at %= len(data)
    if kind == "flip":
        data[at] ^= flip
    elif kind == "drop":
        del data[at]
    else:
        data.insert(at, data[at])
    stream = frame(then, before) + bytes(data) + frame(then, after)
    arrived = [message for _, message in receive(drive, stream)[0]]
    # A COBS frame without its end lasts until the next zero or silence, and console frames have none.
    swallowed = framing == COBS and then == CONSOLE and arrived == [before]
    assert swallowed or arrived in ([before, after], [before, spoilt, after])


@given(part=messages, message=messages, framing=framings, then=framings, end=st.integers(1, 600))
def test_silence_ends_a_frame_that_stopped(
    drive: Ask, part: bytes, message: bytes, framing: int, then: int, end: int
) -> None:
    started = frame(framing, part)[:-1][:end]
    stream = started + frame(then, message)
    assert receive(drive, stream, silent_before=len(started))[0] == [(then, message)]


@given(message=messages, line_length=st.integers(8, 127))
def test_console_lines_may_be_of_any_length(drive: Ask, message: bytes, line_length: int) -> None:
    assert receive(drive, b"".join(packet.encode(message, line_length))) == ([(CONSOLE, message)], 0)


@given(data=st.binary(max_size=400), framing=framings, message=messages)
def test_it_finds_the_next_frame_after_any_bytes(drive: Ask, data: bytes, framing: int, message: bytes) -> None:
    stream = data + frame(framing, message)
    assert receive(drive, stream, silent_before=len(data))[0][-1:] == [(framing, message)]


@pytest.mark.parametrize("framing", [CONSOLE, COBS])
@pytest.mark.parametrize("over", [0, 1])
def test_the_longest_message_fits_and_a_longer_one_is_dropped(drive: Ask, framing: int, over: int) -> None:
    message = b"\x0a\0" + bytes(range(1, 255)) * 2
    arrived, dropped = receive(
        drive, frame(framing, message) * 2, len(message) + 4 - over * (1 if framing == CONSOLE else 3)
    )
    assert (len(arrived), dropped > 0) == ((0, True) if over else (2, False))


@pytest.mark.parametrize(
    "stream",
    [
        b"\x06\x09AAUA\n",  # promises 5 bytes, brings 1
        b"\x04\x14" + console_frame(b"\x0a\0abc")[2:],  # goes on with nothing
        b"\x06\x09" + b"AAAA=AAA\n",
        b"\x06\x09A\n",
        b"\x06\x09\n",
        b"\x06\x09" + binascii.b2a_base64(b"\0\2" + b"\0\0"),  # an empty message
        b"\0\1\1\1\0",  # likewise
        b"\0\2\0",  # ends inside a block
        b"\0" * 10,
    ],
)
def test_nothing_comes_of(drive: Ask, stream: bytes) -> None:
    assert receive(drive, stream)[0] == []
