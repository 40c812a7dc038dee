"""SMP's console framing: base64 in short lines, so that frames and people's text share one serial port. Sans-IO.

A frame is `length u16 | message | CRC16`, in base64, cut into lines of at most 127 bytes. `06 09` begins the first,
`04 14` every other one; a newline ends each. The length counts message and CRC. Source: MCUmgr's smp-console.md.
"""

from __future__ import annotations

import binascii
import struct

START, CONTINUE, END = b"\x06\x09", b"\x04\x14", b"\n"
LINE_BYTES = 127
_LENGTH = struct.Struct(">H")
_TEXT_BYTES = (LINE_BYTES - len(START) - len(END)) // 4 * 4 - 4
"""Base64 of one line: one group less than would fit, as MCUmgr's own clients leave room for a carriage return."""
_MAX_LINE = 4096


def encode(message: bytes) -> bytes:
    """The lines of one frame; `ValueError` where the message is longer than 65,533 bytes."""
    if len(message) > 0xFFFF - 2:
        raise ValueError(f"a message of {len(message)} bytes does not fit into a console frame")
    checked = message + _LENGTH.pack(binascii.crc_hqx(message, 0))
    text = binascii.b2a_base64(_LENGTH.pack(len(checked)) + checked, newline=False)
    pieces = [text[at : at + _TEXT_BYTES] for at in range(0, len(text), _TEXT_BYTES)]
    return START + (END + CONTINUE).join(pieces) + END


class Decoder:
    """Bytes of a serial line in, whole messages out. Text between the lines of frames is passed over.

    `damaged` counts the frames that were begun and did not arrive whole.
    """

    def __init__(self, max_message: int = 0xFFFF) -> None:
        self.damaged = 0
        self._max = max_message + 2
        self._line = bytearray()
        self._frame = bytearray()
        self._open = self._lost = False

    def feed(self, data: bytes) -> list[bytes]:
        """Every message that `data` completes."""
        *lines, rest = data.split(END)
        found = []
        for line in lines:
            message = self._take(bytes(self._line + line))
            self._line.clear()
            if message is not None:
                found.append(message)
        # A line without an end is noise, but the last of its bytes may begin a frame.
        self._line = (self._line + rest)[-_MAX_LINE:]
        return found

    def _take(self, line: bytes) -> bytes | None:
        # The markers are no letters of base64: what stands before one is a line whose end was lost, or text.
        start, more = line.rfind(START), line.rfind(CONTINUE)
        if start < 0 and more < 0:
            return None
        try:
            if start > more:
                self._begin()
                return self._extend(_decoded(line[start + len(START) :]))
            return self._extend(_decoded(line[more + len(CONTINUE) :]))
        except ValueError:
            self._drop()
            return None

    def _begin(self) -> None:
        if self._open:
            self._drop()
        self._open, self._lost = True, False

    def _extend(self, data: bytes) -> bytes | None:
        if not self._open:
            raise ValueError("a frame without its beginning")
        self._frame += data
        length = _LENGTH.unpack_from(self._frame)[0] if len(self._frame) >= _LENGTH.size else 0
        if not 2 < length <= self._max or len(self._frame) > _LENGTH.size + length:
            raise ValueError("an impossible length")
        if len(self._frame) < _LENGTH.size + length:
            return None
        checked = bytes(self._frame[_LENGTH.size :])
        # The CRC of a message followed by its own CRC is zero.
        if binascii.crc_hqx(checked, 0):
            raise ValueError("damaged")
        self._frame.clear()
        self._open = False
        return checked[:-2]

    def _drop(self) -> None:
        """Give the present frame up; what follows of it is not counted again."""
        self.damaged += not self._lost
        self._open, self._lost = False, True
        self._frame.clear()


def _decoded(text: bytes) -> bytes:
    text = text.rstrip(b"\r")
    data = binascii.a2b_base64(text)
    # a2b_base64 passes over what is no base64; the way back shows it.
    if binascii.b2a_base64(data, newline=False) != text:
        raise ValueError("not base64")
    return data
