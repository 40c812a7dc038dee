"""How messages are told apart on a link: raw on reliable streams, COBS or SMP's console lines on serial ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edgeq.protocol import cobs, console, smp
from edgeq.protocol.smp import Message, SmpError


class FrameDecoder(Protocol):
    """Bytes in, checked messages (bytes) out; `damaged` counts the frames that were dropped."""

    damaged: int

    def feed(self, data: bytes) -> list[bytes]: ...


class MessageDecoder(Protocol):
    """Bytes in, messages out; `damaged` counts what was dropped."""

    @property
    def damaged(self) -> int: ...

    def feed(self, data: bytes) -> list[Message]:
        """Every message that `data` completes. `SmpError` only from a stream that cannot be used any longer."""


@dataclass(frozen=True)
class Framing:
    """One way of putting messages on a link."""

    name: str
    encode: Callable[[bytes], bytes]
    decoder: Callable[[], MessageDecoder]


class Framed:
    """Messages out of frames; a frame whose content is no message counts as damaged."""

    def __init__(self, frames: FrameDecoder) -> None:
        self._frames = frames
        self._strange = 0

    @property
    def damaged(self) -> int:
        return self._frames.damaged + self._strange

    def feed(self, data: bytes) -> list[Message]:
        found = []
        for frame in self._frames.feed(data):
            try:
                found.append(smp.decode(frame))
            except SmpError:
                self._strange += 1
        return found


class _Raw(smp.StreamDecoder):
    damaged = 0


RAW = Framing("raw", bytes, _Raw)
CONSOLE = Framing("console", console.encode, lambda: Framed(console.Decoder()))
COBS = Framing("cobs", cobs.encode, lambda: Framed(cobs.Decoder()))
