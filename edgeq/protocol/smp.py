"""SMP messages: an 8-byte big-endian header and a CBOR map.

Header: `Res(3) Ver(2) OP(3) | flags | length u16 | group u16 | sequence u8 | command u8`; `length` counts the map.
On a reliable stream messages follow each other without any further framing ("raw"): the header says how long each is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from edgeq.protocol import cbor

HEADER = struct.Struct(">BBHHBB")
READ, READ_ANSWER, WRITE, WRITE_ANSWER = range(4)
MAX_BODY = 0xFFFF

GROUP_OS, GROUP_IMAGE, GROUP_EDGEQ = 0, 1, 64
OS_ECHO, OS_RESET, OS_PARAMS = 0, 5, 6
IMAGE_STATE = 0

# SMP's own return codes, for groups 0 and 1 and for what no group answers.
RC_UNKNOWN, RC_INVALID, RC_BAD_STATE, RC_UNSUPPORTED = 1, 3, 6, 8


class SmpError(ValueError):
    """The bytes are not an SMP message."""


@dataclass(frozen=True)
class Message:
    """One message. `version` is 0 (first) or 1 (second, the present one); answers repeat the request's."""

    op: int
    group: int
    command: int
    sequence: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    version: int = 1

    def encode(self) -> bytes:
        """Header and map; `SmpError` where the map is longer than 65,535 bytes."""
        body = cbor.dumps(self.body)
        if len(body) > MAX_BODY:
            raise SmpError(f"a message of {len(body)} bytes is longer than {MAX_BODY}")
        return HEADER.pack(self.version << 3 | self.op, 0, len(body), self.group, self.sequence, self.command) + body

    def answer(self, body: dict[str, Any]) -> Message:
        """The answer to this request."""
        return Message(self.op + 1, self.group, self.command, self.sequence, body, self.version)


def decode(data: Any) -> Message:
    """Decode one whole message from bytes-like `data`; `SmpError` otherwise."""
    view = memoryview(data)
    if len(view) < HEADER.size:
        raise SmpError("the message is shorter than its header")
    first, _flags, length, group, sequence, command = HEADER.unpack_from(view)
    _check_first(first)
    if length != len(view) - HEADER.size:
        raise SmpError(f"the header promises {length} bytes, {len(view) - HEADER.size} follow")
    try:
        body = cbor.loads(view[HEADER.size :])
    except cbor.CborError as error:
        raise SmpError(f"the body is not CBOR: {error}") from error
    if not isinstance(body, dict):
        raise SmpError("the body is not a map")
    return Message(first & 7, group, command, sequence, body, first >> 3 & 3)


def _check_first(first: int) -> None:
    if first >> 5 or first & 7 > WRITE_ANSWER or first >> 3 & 3 > 1:
        raise SmpError(f"0x{first:02x} is not the first byte of a message")


class StreamDecoder:
    """Bytes of a reliable stream in, whole messages out."""

    def __init__(self, max_message: int = HEADER.size + MAX_BODY) -> None:
        self._buffer = bytearray()
        self._max = max_message

    def feed(self, data: bytes) -> list[Message]:
        """Every message that `data` completes. `SmpError` means that the stream cannot be used any longer."""
        self._buffer += data
        messages, at = [], 0
        with memoryview(self._buffer) as view:
            while len(view) - at >= HEADER.size:
                _check_first(view[at])
                end = at + HEADER.size + int.from_bytes(view[at + 2 : at + 4], "big")
                if end - at > self._max:
                    raise SmpError(f"a message of {end - at} bytes is longer than {self._max}")
                if end > len(view):
                    break
                messages.append(decode(view[at:end]))
                at = end
        del self._buffer[:at]
        return messages
