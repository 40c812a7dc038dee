"""Messages over a link: framed on the way out, found again on the way in."""

from __future__ import annotations

import time
from collections import deque
from typing import Protocol, runtime_checkable

from edgeq.errors import LinkTimeout, ProtocolError
from edgeq.link.base import Link
from edgeq.protocol.framing import RAW, Framing
from edgeq.protocol.smp import Message, SmpError

USUAL_BAUD = 115200
"""What boards start with, and what is assumed of a line whose rate the host does not know."""
BITS_PER_BYTE = 10


@runtime_checkable
class Line(Link, Protocol):
    """A link over a serial line whose rate the host sets."""

    baud: int

    def set_baud(self, baud: int) -> None:
        """Go on at another rate; what was sent before has left."""


class Frames:
    """One link in one framing. Not thread-safe."""

    def __init__(self, link: Link, framing: Framing = RAW) -> None:
        self.link, self.framing = link, framing
        self._decoder = framing.decoder()
        self._arrived: deque[Message] = deque()

    def send(self, message: bytes, timeout_s: float) -> int:
        """Send one message; the answer is how many bytes that took."""
        frame = self.framing.encode(message)
        self.link.send(frame, timeout_s)
        return len(frame)

    def receive(self, timeout_s: float) -> Message:
        """The next message. `LinkTimeout` when none is complete in time, `ProtocolError` when a reliable stream carries
        something else."""
        deadline = time.monotonic() + timeout_s
        while not self._arrived:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.silence(timeout_s)
            try:
                self._arrived += self._decoder.feed(self.link.receive(left))
            except SmpError as error:
                raise ProtocolError(
                    f"{self.link.name} sent something that is not SMP: {error}.",
                    "Does anything print on its standard output?",
                ) from error
        return self._arrived.popleft()

    def silence(self, timeout_s: float) -> LinkTimeout:
        """The error for a device that says nothing; damaged frames are told, for a noisy line is no dead one."""
        damaged = self._decoder.damaged
        return LinkTimeout(
            f"{self.link.name} gave no answer within {timeout_s:.3g} s"
            + (f"; {damaged} frames came damaged." if damaged else "."),
            "Try a lower baud rate or a shorter cable." if damaged else "Check the device and run the command again.",
        )


def wire_s(link: Link, count: int) -> float:
    """Seconds that `count` bytes take on a serial line; 0 on a reliable link, where nothing depends on it."""
    if not link.lossy:
        return 0.0
    return count * BITS_PER_BYTE / (link.baud if isinstance(link, Line) else USUAL_BAUD)
