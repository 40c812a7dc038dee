"""A device in this process: the agent's real service over a store, reached by a link that is a function call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.device.device import Device
from edgeq.link.memory import MemoryLink
from edgeq.protocol import smp

PATIENCE_S = 60.0


@contextmanager
def service_at(root: Path) -> Iterator[Service]:
    """The service of the store `root`. A job that goes on without its host is waited for."""
    service = Service(root)
    try:
        yield service
        deadline = time.monotonic() + PATIENCE_S
        while service.jobs.busy and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        service.close()


def connect(
    service: Service,
    address: str = "memory:",
    *,
    close_after: int | None = None,
    facts: dict[str, Any] | None = None,
    asked: list[tuple[int, int, int]] | None = None,
) -> Device:
    """The device over a link that ends after `close_after` bytes; `facts` replace what it says of itself, and each
    request's command is added to `asked`."""
    connection = Connection(service)

    def peer(data: bytes) -> bytes:
        if asked is not None:
            request = smp.decode(data)
            asked.append((request.op, request.group, request.command))
        return connection.feed(data)

    device = Device(MemoryLink(peer, close_after=close_after), address)
    if facts:
        device.describe().update(facts)
    return device


@contextmanager
def device_at(root: Path) -> Iterator[Device]:
    """A device whose store is `root`."""
    with service_at(root) as service, connect(service) as device:
        yield device
