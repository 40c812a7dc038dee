"""The core on a board of the tests' own: its clock, its line and what it calls."""

from __future__ import annotations

import ctypes
import hashlib

import pytest
from bundles import tiny
from mcu import make_image
from ownboard import SET_BAUD, Board

from edgeq.device.device import Device
from edgeq.errors import DeviceError
from edgeq.protocol import contract, smp
from edgeq.protocol.framing import COBS, CONSOLE
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status

ECHO = (smp.WRITE, smp.GROUP_OS, smp.OS_ECHO)
HELLO = {"d": "hello"}


def test_a_configuration_that_cannot_work_is_refused(library: ctypes.CDLL) -> None:
    assert Board(library).status == 0
    for wrong in ({"buffer_bytes": 1000}, {"buf_count": 0}, {"ticks_hz": 0}, {"arena": 24}):
        assert Board(library, **wrong).status == -Status.INVALID


def test_a_rate_lasts_as_long_as_messages_come(library: ctypes.CDLL) -> None:
    board = Board(library)
    assert board.ask(contract.LINE, {"baud": 921600}) == {}
    for _ in range(3):
        board.now += 2900
        assert board.ask(ECHO, HELLO) == {"r": "hello"}
    assert board.calls == [921600]
    board.now += 3100
    board.feed(b"\x55" * 9)
    assert board.calls == [921600, 0]
    board.now += 9000
    board.feed(b"\x55" * 9)
    assert board.calls == [921600, 0]


def test_a_rate_that_the_board_lacks_is_no_rate(library: ctypes.CDLL) -> None:
    board = Board(library, set_baud=SET_BAUD(lambda _, __: -12))
    board.ask(contract.LINE, {"baud": 9600})
    board.now += 9000
    assert board.ask(ECHO, HELLO) == {"r": "hello"}
    with pytest.raises(DeviceError) as no:
        Board(library, set_baud=SET_BAUD()).device().client.request(contract.LINE, {"baud": 9600})
    assert no.value.status == Status.UNSUPPORTED


@pytest.mark.parametrize(("silence", "heard"), [(400, None), (600, {"r": "hello"})])
def test_silence_ends_a_torn_frame(library: ctypes.CDLL, silence: int, heard: object) -> None:
    board = Board(library)
    board.feed(COBS.encode(Message(*ECHO, 1, HELLO).encode())[:9])
    board.now += silence
    assert board.ask(ECHO, HELLO, CONSOLE) == heard


def serve(board: Board, name: str = "tiny") -> Device:
    """A device on which an image serves that came as stock tools send it."""
    image = make_image(name=name)
    digest = hashlib.sha256(image).digest()
    device = board.device()
    for offset in range(0, len(image), 1000):
        body = {"off": offset, "len": len(image), "sha": digest, "data": image[offset : offset + 1000]}
        device.client.request((smp.WRITE, smp.GROUP_IMAGE, 1), body)
    device.client.request((smp.WRITE, smp.GROUP_IMAGE, 0), {"hash": digest, "confirm": True})
    assert {item.state for item in device.releases()} == {"confirmed"}
    return device


def test_an_erase_that_fails_leaves_no_model_open(library: ctypes.CDLL) -> None:
    """How large its arena is stood in what is erased: of another size, all of memory could be read."""
    board = Board(library)
    serve(board)
    device = serve(board, "second")
    device.begin_steps(b"".join(tiny()[2][0][0]), 1)
    assert device.memory_after(0, 0, 4)
    board.wear_out()
    with pytest.raises(DeviceError):
        device.client.request((smp.WRITE, smp.GROUP_IMAGE, 5), {"slot": 0})
    for off in (0, 1 << 14):
        with pytest.raises(DeviceError) as refused:
            device.client.request(contract.OUTPUT, {"off": off, "ops": 0})
        assert refused.value.status == Status.INVALID


def test_ticks_become_nanoseconds(library: ctypes.CDLL) -> None:
    board = Board(library, ticks_hz=3_000_000_000)
    device = serve(board)
    board.step = 7
    answer = device.bench(5, 2, 0)
    ops = round(answer["invoke_ns"][0] * 3 / 7)
    assert answer["invoke_ns"] == [round(ops * 7 / 3)] * 5
    assert answer["init_ns"] == 2
    assert board.watchdog.count("start") == 1
    assert board.watchdog.count("feed") > ops * 5
    assert "hush 1" in board.calls


@pytest.mark.parametrize(("step", "count"), [(8, 5), (7, 4), (9, 6), (4, 3), (0xFFFFFFFF, 2684354559)])
def test_counted_ticks_become_instructions_and_time_does_not(library: ctypes.CDLL, step: int, count: int) -> None:
    board = Board(library, instructions_num=40, instructions_den=64)
    device = serve(board)
    board.step = step
    answer = device.bench(3, 1, 0)
    assert answer["invoke_instructions"] == [count] * 3
    assert (answer["warmup_instructions"], answer["first_instructions"]) == ([count], count)
    assert not any(key.endswith("_ns") for key in answer)


def test_the_device_is_silent_while_it_counts(library: ctypes.CDLL) -> None:
    board = Board(library)
    device = serve(board)
    board.calls.clear()
    device.bench(3, 1, 0)
    hushes = [call for call in board.calls if str(call).startswith("hush")]
    assert hushes == ["hush 1", "hush 0"] * (len(hushes) // 2) != []
