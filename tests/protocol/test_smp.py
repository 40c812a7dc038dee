"""SMP messages against the `smp` package, and the stream decoder against any cutting of the bytes."""

from __future__ import annotations

import contextlib

import pytest
import smp.header
import smp.image_management
import smp.os_management
from hypothesis import given
from hypothesis import strategies as st

from edgeq.protocol import smp as ours

bodies = st.dictionaries(st.text(max_size=6), st.integers(0, 1 << 40) | st.binary(max_size=200), max_size=5)
messages = st.builds(
    ours.Message,
    op=st.integers(0, 3),
    group=st.integers(0, 0xFFFF),
    command=st.integers(0, 255),
    sequence=st.integers(0, 255),
    body=bodies,
    version=st.integers(0, 1),
)


def test_echo_has_the_bytes_of_the_smp_package() -> None:
    theirs = smp.os_management.EchoWriteRequest(d="hello").BYTES
    header = smp.header.Header.loads(theirs[:8])
    mine = ours.Message(ours.WRITE, ours.GROUP_OS, ours.OS_ECHO, header.sequence, {"d": "hello"}).encode()
    assert mine == theirs


def test_the_smp_package_reads_our_answers() -> None:
    request = ours.decode(smp.os_management.MCUMgrParametersReadRequest().BYTES)
    answer = request.answer({"buf_size": 65535, "buf_count": 8}).encode()
    assert smp.os_management.MCUMgrParametersReadResponse.loads(answer).buf_count == 8


def test_an_upload_chunk_of_the_smp_package_is_read() -> None:
    request = smp.image_management.ImageUploadWriteRequest(off=0, data=b"\x01\x02", image=0, len=2, sha=b"s" * 32)
    message = ours.decode(request.BYTES)
    assert (message.op, message.group, message.command) == (ours.WRITE, ours.GROUP_IMAGE, 1)
    assert message.body["data"] == b"\x01\x02"


@given(messages)
def test_round_trip(message: ours.Message) -> None:
    assert ours.decode(message.encode()) == message


@given(st.lists(messages, max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_any_cutting_of_a_stream_gives_the_same_messages(sent: list[ours.Message], cuts: list[int]) -> None:
    stream = b"".join(message.encode() for message in sent)
    decoder, got, at, turn = ours.StreamDecoder(), [], 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        got += decoder.feed(stream[at : at + step])
        at, turn = at + step, turn + 1
    assert got == sent


@given(st.binary(max_size=100))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    for read in (ours.decode, ours.StreamDecoder().feed):
        with contextlib.suppress(ours.SmpError):
            read(data)


def test_too_long_messages_are_refused_on_both_sides() -> None:
    with pytest.raises(ours.SmpError):
        ours.Message(ours.WRITE, 64, 2, 0, {"data": bytes(65536)}).encode()
    with pytest.raises(ours.SmpError):
        ours.StreamDecoder(max_message=100).feed(ours.Message(ours.WRITE, 64, 2, 0, {"data": bytes(200)}).encode())
