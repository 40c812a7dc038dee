"""Tiny programs for Arm that end with status 42, for dry runs of the recipes."""

from __future__ import annotations

import struct

STATUS = 42
_BASE = 0x400000


def linux_program(arch: str) -> bytes:
    """A static ELF for Linux on `arm64` or `armhf`: exit(42)."""
    return _arm64_program() if arch == "arm64" else _armhf_program()


def _arm64_program() -> bytes:
    code = struct.pack("<3I", 0xD2800000 | STATUS << 5, 0xD2800BA8, 0xD4000001)  # mov x0, #42; mov x8, #93; svc #0
    offset = 64 + 56
    size = offset + len(code)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, _BASE + offset, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code


def _armhf_program() -> bytes:
    code = struct.pack("<3I", 0xE3A00000 | STATUS, 0xE3A07001, 0xEF000000)  # mov r0, #42; mov r7, #1; svc #0
    offset = 52 + 32
    size = offset + len(code)
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    eabi5 = 0x5000000
    header = ident + struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, _BASE + offset, 52, 0, eabi5, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 0, _BASE, _BASE, size, size, 5, 0x1000)
    return header + segment + code


def bare_metal_program() -> bytes:
    """A raw image for qemu-system-aarch64: the semihosting call SYS_EXIT with status 42."""
    # mov w0, #0x18; adr x1, parameters; hlt #0xf000; b .
    code = struct.pack("<4I", 0x52800300, 0x10000061, 0xD45E0000, 0x14000000)
    return code + struct.pack("<2Q", 0x20026, STATUS)
