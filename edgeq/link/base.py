"""A link carries bytes to and from a device; every wait has a deadline."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """Opened by its constructor or factory, closed by `close`. Not thread-safe."""

    name: str
    """The address, for messages: `ssh://pi@host:22`."""

    lossy: bool
    """Whether bytes can get lost on the way, so that what was not answered is worth sending again."""

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send all of `data`. `LinkTimeout` without progress for `timeout_s`, `LinkError` when the link is gone."""

    def receive(self, timeout_s: float) -> bytes:
        """At least one byte. `LinkTimeout` when none comes in `timeout_s`, `LinkError` when the link is gone."""

    def close(self) -> None:
        """Free everything; never raises, may be called twice."""


def last_line(text: bytes) -> str:
    """The last line that says something, printable and bounded, for messages."""
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return "".join(char if char.isprintable() else "?" for char in lines[-1].strip()[:300]) if lines else ""
