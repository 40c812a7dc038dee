"""The transfer engine against a device that loses, repeats and delays."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.protocol.transfer import TransferStalled, Upload


class Receiver:
    """The device's half: takes the chunk at the wanted offset, ignores any other, always answers what it wants."""

    def __init__(self, have: bytes = b"") -> None:
        self.data = bytearray(have)

    def put(self, offset: int, chunk: bytes) -> int:
        if offset == len(self.data):
            self.data += chunk
        return len(self.data)


@given(
    data=st.binary(min_size=1, max_size=3000),
    chunk=st.integers(1, 700),
    window=st.integers(1, 9),
    loss=st.sampled_from([0.0, 0.05, 0.2]),
    have=st.integers(0, 3000),
    seed=st.integers(0, 1 << 30),
)
def test_every_blob_arrives_whole(data: bytes, chunk: int, window: int, loss: float, have: int, seed: int) -> None:
    rng, receiver = random.Random(seed), Receiver(data[: min(have, len(data))])
    upload = Upload(len(data), offset=len(receiver.data), chunk=chunk, window=window, tries=500)
    answers: list[tuple[int, int]] = []
    sequence = 0
    for _ in range(200_000):
        if upload.done:
            break
        due = upload.due()
        if due:
            upload.sent(sequence, *due)
            for _ in range(1 + (rng.random() < loss)):
                if rng.random() >= loss:
                    wanted = receiver.put(due[0], data[due[0] : sum(due)])
                    if rng.random() >= loss:
                        answers.append((sequence, wanted))
            sequence = (sequence + 1) % 256
        elif answers:
            upload.answered(*answers.pop(0))
        else:
            upload.expired()
    assert upload.done
    assert bytes(receiver.data) == data


def test_a_full_window_waits() -> None:
    upload = Upload(100, chunk=10, window=2)
    for sequence in range(2):
        due = upload.due()
        assert due
        upload.sent(sequence, *due)
    assert upload.due() is None
    upload.answered(0, 10)
    assert upload.due() == (20, 10)


def test_an_answer_that_goes_back_sends_again_from_there_and_late_answers_are_dropped() -> None:
    upload = Upload(100, chunk=10, window=3)
    for sequence in range(3):
        upload.sent(sequence, *upload.due())  # type: ignore[misc]
    upload.answered(0, 0)
    assert upload.due() == (0, 10)
    upload.answered(1, 0)
    upload.answered(2, 0)
    assert (upload.acked, upload.due()) == (0, (0, 10))


def test_a_device_that_wants_the_impossible_is_an_error_and_no_progress_ends() -> None:
    upload = Upload(10, chunk=10, window=1, tries=3)
    upload.sent(0, 0, 10)
    with pytest.raises(ValueError, match="offset 11"):
        upload.answered(0, 11)
    with pytest.raises(TransferStalled):
        for sequence in range(4):
            upload.sent(sequence, 0, 10)
            upload.answered(sequence, 0)


def _send(upload: Upload, *sequences: int) -> None:
    for sequence in sequences:
        upload.sent(sequence, *upload.due())  # type: ignore[misc]


def test_a_lost_answer_is_made_good_by_the_next_one() -> None:
    upload = Upload(1000, chunk=100, window=3)
    _send(upload, 0, 1, 2)
    upload.answered(1, 200)
    assert (upload.acked, upload.awaits(0), upload.awaits(2)) == (200, False, True)
    assert upload.due() == (300, 100)


def test_chunks_shrink_when_something_is_lost_and_grow_again_up_to_the_longest() -> None:
    upload = Upload(1 << 20, chunk=1600, window=1)
    _send(upload, 0)
    upload.expired()
    assert upload.chunk == 800
    _send(upload, 1)
    upload.answered(1, 0)
    assert upload.chunk == 400
    for sequence in range(2, 60):
        _send(upload, sequence)
        upload.answered(sequence, upload._next)
    assert upload.chunk == 1600
    for _ in range(20):
        upload.expired()
    assert upload.chunk == 64
    upload.restart()
    assert (upload.chunk, upload.due()) == (1600, (upload.acked, 1600))


def test_a_device_that_has_more_than_was_acknowledged_gets_on() -> None:
    upload = Upload(1000, chunk=100, window=1, tries=1)
    for sequence in range(5):
        upload.sent(sequence, upload.acked, 1)
        upload.answered(sequence, upload.acked + 100)
    assert upload.acked == 500


@given(
    size=st.integers(1, 3000),
    sector=st.integers(1, 900),
    chunk=st.integers(1, 700),
    window=st.integers(1, 9),
    loss=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 1 << 30),
)
def test_nothing_else_is_under_way_while_a_device_is_deaf(
    size: int, sector: int, chunk: int, window: int, loss: float, seed: int
) -> None:
    rng, receiver, data = random.Random(seed), Receiver(), random.Random(seed).randbytes(size)
    upload = Upload(size, chunk=chunk, window=window, tries=500, deaf=True)
    answers: list[tuple[int, int, int]] = []
    under_way: list[int] = []
    erased = sequence = 0
    while not upload.done:
        due = upload.due()
        if due:
            upload.sent(sequence, *due)
            under_way.append(sequence)
            if rng.random() >= loss:
                while due[0] == len(receiver.data) and sum(due) > erased:
                    assert len(under_way) == 1
                    assert upload.alone
                    erased = min(erased + sector, size)
                wanted = receiver.put(due[0], data[due[0] : sum(due)])
                answers.append((sequence, wanted, max(0, erased - wanted)))
            sequence += 1
        elif answers:
            under_way = [number for number in under_way if number > answers[0][0]]
            upload.answered(*answers.pop(0))
        else:
            under_way.clear()
            upload.expired()
    assert bytes(receiver.data) == data


def test_a_device_that_always_hears_gets_whole_windows() -> None:
    upload = Upload(100, chunk=10, window=2, deaf=True)
    upload.sent(1, *(upload.due() or (0, 0)))
    assert (upload.due(), upload.alone) == (None, True)
    upload.answered(1, 10)
    assert (upload.due(), upload.alone) == ((10, 10), False)
    upload.sent(2, 10, 10)
    assert upload.due() == (20, 10)
