"""The core on a board of the tests' own: its clock, its line and what it calls, by ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_void_p
from typing import Any

import pytest
from cdrive import FIRMWARE
from mcu import make_image

from edgeq.device.device import Device
from edgeq.errors import DeviceError
from edgeq.link.memory import MemoryLink
from edgeq.protocol import contract, smp
from edgeq.protocol.framing import COBS, CONSOLE
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status

FLASH_BYTES, ARENA_BYTES, BUFFER_BYTES = 1 << 17, 1 << 14, 2 * 2048 + 4
READ = CFUNCTYPE(c_size_t, c_void_p, POINTER(c_uint8), c_size_t)
WRITE = CFUNCTYPE(None, c_void_p, POINTER(c_uint8), c_size_t)
TICKS = CFUNCTYPE(c_uint32, c_void_p)
HUSH = CFUNCTYPE(None, c_void_p, c_int)
CALL = CFUNCTYPE(None, c_void_p)
SET_BAUD = CFUNCTYPE(c_int, c_void_p, c_uint32)


class BoardFacts(ctypes.Structure):
    _fields_ = [(name, c_char_p) for name in ("target", "board", "arch", "cpu", "emulator")] + [
        ("cpu_hz", c_uint32),
        ("ram_bytes", c_uint32),
    ]


class Config(ctypes.Structure):
    """`struct eq_config`."""

    _fields_ = [
        ("context", c_void_p), ("read", READ), ("write", WRITE), ("ticks", TICKS), ("ticks_hz", c_uint32),
        ("instructions_num", c_uint32), ("instructions_den", c_uint32), ("hush", HUSH), ("reset", CALL),
        ("set_baud", SET_BAUD), ("idle", CALL), ("flash", c_void_p), ("board", POINTER(BoardFacts)),
        ("arena", c_void_p), ("arena_bytes", c_uint32), ("buffer", c_void_p), ("buffer_bytes", c_uint32),
        ("buf_count", c_uint32), ("stack_low", c_void_p), ("stack_high", c_void_p), ("trust", c_void_p),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Core and runtime as a shared library."""
    path = tmp_path_factory.mktemp("core") / "core.so"
    folders = ("core", "runtime", "runtime/kernels", "runtime/frontend")
    sources = [source for folder in folders for source in sorted((FIRMWARE / folder).glob("*.c"))]
    include = [f"-I{FIRMWARE / folder}" for folder in ("include", "core", "runtime", "ports")]
    command = ["gcc", "-std=c99", "-O1", "-shared", "-fPIC", *include, *sources, FIRMWARE / "ports/memory_flash.c"]
    subprocess.run([*command, "-o", path], check=True, timeout=120)
    return ctypes.CDLL(str(path))


class Board:
    """A board whose clock stands still unless a test, or with `step` each look at it, moves it."""

    def __init__(self, library: ctypes.CDLL, *, step: int = 0, **config: Any) -> None:
        self.now, self.step, self.calls = 0, step, list[Any]()
        self._library, self._in, self._out = library, bytearray(), bytearray()
        self._memory = [ctypes.create_string_buffer(size + 16) for size in (FLASH_BYTES, ARENA_BYTES, BUFFER_BYTES)]
        flash, arena, buffer = (ctypes.addressof(memory) + -ctypes.addressof(memory) % 16 for memory in self._memory)
        ctypes.memset(flash, 0xFF, FLASH_BYTES)
        self._flash, self._core = ctypes.create_string_buffer(256), ctypes.create_string_buffer(1 << 14)
        library.eq_memory_flash(self._flash, c_void_p(flash), c_uint32(FLASH_BYTES))
        self._facts = BoardFacts(b"test", b"a test", b"none", b"none", None, 0, 0)
        self.config = Config(
            None, READ(self._read), WRITE(self._write), TICKS(self._ticks), 1000, 0, 0, HUSH(self._hush),
            CALL(lambda _: None), SET_BAUD(self._set_baud), CALL(lambda _: self.calls.append("idle")),
            ctypes.addressof(self._flash), ctypes.pointer(self._facts), arena, ARENA_BYTES, buffer, BUFFER_BYTES, 2,
        )  # fmt: skip
        for name, value in config.items():
            setattr(self.config, name, value)
        self.status = library.eq_core_init(self._core, ctypes.byref(self.config))

    def feed(self, data: bytes) -> bytes:
        """What the core answers to these bytes."""
        self._in += data
        while self._library.eq_core_poll(self._core):
            pass
        out, self._out = bytes(self._out), bytearray()
        return out

    def ask(self, command: tuple[int, int, int], body: dict[str, Any], framing: Any = COBS) -> dict[str, Any] | None:
        """The body of the answer, or None."""
        found = framing.decoder().feed(self.feed(framing.encode(Message(*command, 1, body).encode())))
        return found[0].body if found else None

    def device(self) -> Device:
        return Device(MemoryLink(self.feed, lossy=True), "test")

    def _read(self, _context: None, data: Any, size: int) -> int:
        piece = self._in[:size]
        del self._in[:size]
        ctypes.memmove(data, bytes(piece), len(piece))
        return len(piece)

    def _write(self, _context: None, data: Any, size: int) -> None:
        self._out += ctypes.string_at(data, size)

    def _ticks(self, _context: None) -> int:
        self.now += self.step
        return self.now & 0xFFFFFFFF

    def _hush(self, _context: None, on: int) -> None:
        self.calls.append(f"hush {on}")

    def _set_baud(self, _context: None, baud: int) -> int:
        self.calls.append(baud)
        return 0


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


def serve(board: Board) -> Device:
    """A device on which an image serves that came as stock tools send it."""
    image = make_image()
    digest = hashlib.sha256(image).digest()
    device = board.device()
    for offset in range(0, len(image), 1000):
        body = {"off": offset, "len": len(image), "sha": digest, "data": image[offset : offset + 1000]}
        device.client.request((smp.WRITE, smp.GROUP_IMAGE, 1), body)
    device.client.request((smp.WRITE, smp.GROUP_IMAGE, 0), {"hash": digest, "confirm": True})
    assert [item.state for item in device.releases()] == ["confirmed"]
    return device


def test_ticks_become_nanoseconds(library: ctypes.CDLL) -> None:
    board = Board(library, ticks_hz=3_000_000_000)
    device = serve(board)
    board.step = 7
    answer = device.bench(5, 2, 0)
    ops = round(answer["invoke_ns"][0] * 3 / 7)
    assert answer["invoke_ns"] == [round(ops * 7 / 3)] * 5
    assert answer["init_ns"] == 2
    assert "idle" in board.calls
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
