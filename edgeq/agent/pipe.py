"""Messages between the agent and its worker processes: a 4-byte big-endian length, then CBOR."""

from __future__ import annotations

import os
import select
import time
from typing import Any

from edgeq.protocol import cbor

MAX_BYTES = 1 << 28


class PipeClosed(Exception):
    """The other end is gone."""


class PipeTimeout(Exception):
    """Nothing came within the deadline."""


def send(fd: int, item: Any, timeout_s: float | None = None) -> None:
    """Send one item; `PipeClosed` if nobody is there, `PipeTimeout` if a non-blocking `fd` takes nothing in time."""
    body = cbor.dumps(item)
    view = memoryview(len(body).to_bytes(4, "big") + body)
    try:
        while view:
            if timeout_s is not None and not select.select([], [fd], [], timeout_s)[1]:
                raise PipeTimeout
            view = view[os.write(fd, view) :]
    except BrokenPipeError as error:
        raise PipeClosed from error


def receive(fd: int, timeout_s: float | None = None) -> Any:
    """Receive one item within `timeout_s` seconds (None: however long it takes)."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    length = int.from_bytes(_exactly(fd, 4, deadline), "big")
    if length > MAX_BYTES:
        raise PipeClosed(f"a message of {length} bytes")
    return cbor.loads(_exactly(fd, length, deadline))


def _exactly(fd: int, count: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < count:
        if deadline is not None and not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise PipeTimeout
        piece = os.read(fd, min(count - len(data), 1 << 20))
        if not piece:
            raise PipeClosed
        data += piece
    return bytes(data)
