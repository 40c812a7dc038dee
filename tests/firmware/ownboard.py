"""The core on a board of the tests' own, by ctypes: its clock stands still, its line is a function, it counts calls."""

from __future__ import annotations

import ctypes
import subprocess
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_void_p
from pathlib import Path
from typing import Any

from cdrive import FIRMWARE

from edgeq.device.device import Device
from edgeq.link.memory import MemoryLink
from edgeq.protocol.framing import COBS
from edgeq.protocol.smp import Message

FLASH_BYTES, ARENA_BYTES, BUFFER_BYTES = 1 << 17, 1 << 14, 2 * 2048 + 4
READ = CFUNCTYPE(c_size_t, c_void_p, POINTER(c_uint8), c_size_t)
WRITE = CFUNCTYPE(None, c_void_p, POINTER(c_uint8), c_size_t)
TICKS = CFUNCTYPE(c_uint32, c_void_p)
HUSH = CFUNCTYPE(None, c_void_p, c_int)
CALL = CFUNCTYPE(None, c_void_p)
SET_BAUD = CFUNCTYPE(c_int, c_void_p, c_uint32)
ERASE = CFUNCTYPE(c_int, c_void_p, c_uint32, c_uint32)


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
        ("set_baud", SET_BAUD), ("watchdog", HUSH), ("flash", c_void_p), ("board", POINTER(BoardFacts)),
        ("arena", c_void_p), ("arena_bytes", c_uint32), ("buffer", c_void_p), ("buffer_bytes", c_uint32),
        ("buf_count", c_uint32), ("stack_low", c_void_p), ("stack_high", c_void_p), ("trust", c_void_p),
        ("trigger", HUSH),
    ]  # fmt: skip


def build_library(folder: Path) -> Path:
    """Core and runtime as a shared library."""
    path = folder / "core.so"
    folders = ("core", "runtime", "runtime/kernels", "runtime/frontend")
    sources = [source for folder in folders for source in sorted((FIRMWARE / folder).glob("*.c"))]
    include = [f"-I{FIRMWARE / folder}" for folder in ("include", "core", "runtime", "ports")]
    command = ["gcc", "-std=c99", "-O1", "-shared", "-fPIC", "-DEQ_MLPERF", *include, *sources]
    subprocess.run([*command, FIRMWARE / "ports/memory_flash.c", "-o", path], check=True, timeout=120)
    return path


class Board:
    """A board whose clock stands still unless a test, or with `step` each look at it, moves it."""

    def __init__(self, library: ctypes.CDLL, *, step: int = 0, **config: Any) -> None:
        self.now, self.step, self.calls, self.watchdog = 0, step, list[Any](), list[str]()
        self._library, self._in, self._out = library, bytearray(), bytearray()
        self._memory = [ctypes.create_string_buffer(size + 16) for size in (FLASH_BYTES, ARENA_BYTES, BUFFER_BYTES)]
        flash, arena, buffer = (ctypes.addressof(memory) + -ctypes.addressof(memory) % 16 for memory in self._memory)
        ctypes.memset(flash, 0xFF, FLASH_BYTES)
        self._memory_flash = flash
        self._flash, self._core = ctypes.create_string_buffer(256), ctypes.create_string_buffer(1 << 14)
        library.eq_memory_flash(self._flash, c_void_p(flash), c_uint32(FLASH_BYTES))
        self._facts = BoardFacts(b"test", b"a test", b"none", b"none", None, 0, 0)
        self.config = Config(
            None, READ(self._read), WRITE(self._write), TICKS(self._ticks), 1000, 0, 0, HUSH(self._hush),
            CALL(lambda _: None), SET_BAUD(self._set_baud), HUSH(self._watchdog),
            ctypes.addressof(self._flash), ctypes.pointer(self._facts), arena, ARENA_BYTES, buffer, BUFFER_BYTES, 2,
        )  # fmt: skip
        for name, value in config.items():
            setattr(self.config, name, value)
        self.restart()

    def damage(self, slot: int, offset: int) -> None:
        """Flip a bit of flash."""
        at = self._memory_flash + (2 + slot * ((FLASH_BYTES // 2 - 4096) // 4096)) * 4096 + offset
        ctypes.memset(at, ctypes.string_at(at, 1)[0] ^ 1, 1)

    def wear_out(self) -> None:
        """From now on every erase says that it failed, when it has erased."""

        def erase(_context: None, offset: int, size: int) -> int:
            ctypes.memset(self._memory_flash + offset, 0xFF, size)
            return -1

        self._erase = ERASE(erase)
        words = (ctypes.c_size_t * (256 // ctypes.sizeof(c_size_t))).from_buffer(self._flash)
        last = max(place for place, word in enumerate(words) if word)  # `erase` ends `struct eq_flash`
        words[last] = ctypes.cast(self._erase, c_void_p).value or 0

    def restart(self) -> None:
        """Only flash keeps what it had."""
        ctypes.memset(self._core, 0x5A, ctypes.sizeof(self._core))
        self.status = self._library.eq_core_init(self._core, ctypes.byref(self.config))

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

    def _watchdog(self, _context: None, start: int) -> None:
        self.watchdog.append("start" if start else "feed")

    def _set_baud(self, _context: None, baud: int) -> int:
        self.calls.append(baud)
        return 0
