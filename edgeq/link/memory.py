"""A link to something in this very process: for tests, and for faults that no cable can be asked to have."""

from __future__ import annotations

from collections.abc import Callable

from edgeq.errors import LinkError, LinkTimeout


class MemoryLink:
    """Bytes go to `peer`, a function from received bytes to answered bytes.

    `close_after` ends the link once that many bytes have been sent; what exceeds it never arrives. A `lossy` one is
    taken to lose bytes: its peer decides which.
    """

    def __init__(
        self,
        peer: Callable[[bytes], bytes],
        name: str = "memory:",
        close_after: int | None = None,
        lossy: bool = False,
    ) -> None:
        self.name, self.lossy = name, lossy
        self._peer, self._left = peer, close_after
        self._answers = bytearray()
        self._closed = False

    def send(self, data: bytes, timeout_s: float) -> None:  # noqa: ARG002  (never waits)
        if self._closed:
            raise LinkError(f"{self.name} is closed.", "Run the command again.")
        if self._left is not None:
            self._closed = len(data) >= self._left
            data = data[: self._left]
            self._left -= len(data)
        self._answers += self._peer(data)

    def receive(self, timeout_s: float) -> bytes:
        if self._closed:
            raise LinkError(f"{self.name} was closed by the device.", "Run the command again.")
        if not self._answers:
            raise LinkTimeout(f"{self.name} gave no answer within {timeout_s:g} s.", "Run the command again.")
        data = bytes(self._answers)
        self._answers.clear()
        return data

    def close(self) -> None:
        self._closed = True
        self._peer = _nobody  # What answered may end now, as it does when a cable is pulled.


def _nobody(_data: bytes) -> bytes:
    return b""
