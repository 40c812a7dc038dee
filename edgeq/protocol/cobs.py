"""COBS framing with a CRC: the fast way over a serial line, three to four bytes around a message. Sans-IO.

A frame is `00 | COBS(message | CRC16) | 00`. Consistent overhead byte stuffing (Cheshire and Baker, 1999) removes every
zero byte, so a zero always ends a frame and reading starts anew behind it, whatever came before.
"""

from __future__ import annotations

import binascii

from edgeq.protocol import smp

END = b"\0"
FULL = 254
"""Bytes other than zero in the longest block."""
_TEXT = bytes([*range(0x20, 0x7F), *b"\t\r\n\x1b"])
"""Letters of what a device prints for people."""


def encode(message: bytes) -> bytes:
    """One frame with a zero byte before and after it."""
    return END + stuff(message + binascii.crc_hqx(message, 0).to_bytes(2, "big")) + END


def stuff(data: bytes) -> bytes:
    """`data` without zeros: blocks of a code byte (1 + length) and up to 254 bytes; a full one ends without a zero."""
    out = bytearray()
    *runs, last = data.split(b"\0")
    for run in (*runs, last):
        full = len(run) // FULL * FULL
        for at in range(0, full, FULL):
            out.append(FULL + 1)
            out += run[at : at + FULL]
        out.append(len(run) - full + 1)
        out += run[full:]
    # Behind a full last block there is no zero to be taken back.
    return bytes(out[:-1] if last and len(last) % FULL == 0 else out)


def unstuff(data: bytes) -> bytes:
    """What was stuffed; `ValueError` where the blocks do not add up. An empty block may follow a full last one."""
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        if not 1 <= code <= len(data) - at:
            raise ValueError("a block does not fit")
        out += data[at + 1 : at + code]
        at += code
        if code <= FULL and at < len(data):
            out.append(0)
    return bytes(out)


class Decoder:
    """Bytes of a serial line in, whole messages out. `damaged` counts frames that did not arrive whole; text between
    frames is not counted."""

    def __init__(self, max_message: int = smp.HEADER.size + smp.MAX_BODY) -> None:
        self.damaged = 0
        self._max = len(stuff(bytes([1]) * (max_message + 2)))
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Every message that `data` completes."""
        *ended, rest = data.split(END)
        found = []
        for piece in ended:
            message = self._take(bytes(self._buffer + piece))
            self._buffer.clear()
            if message is not None:
                found.append(message)
        # One byte more than the longest frame is kept, so that what is too long stays too long.
        self._buffer = (self._buffer + rest)[: self._max + 1]
        return found

    def _take(self, frame: bytes) -> bytes | None:
        if not frame.translate(None, _TEXT):
            return None
        try:
            checked = unstuff(frame) if len(frame) <= self._max else b""
        except ValueError:
            checked = b""
        # The CRC of a message followed by its own CRC is zero.
        if len(checked) > 2 and not binascii.crc_hqx(checked, 0):
            return checked[:-2]
        self.damaged += 1
        return None
