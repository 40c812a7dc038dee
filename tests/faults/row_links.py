"""The link misbehaves in the middle of a deploy: it freezes, is reset, is closed, crawls, or the device is gone without
a word. No command waits longer than twice its time limit, the message says that the link was it, and the next try,
over a sound link, goes on where this one ended."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fault_lab import Daemon, Lab, PipeLink, converges, serving_on_disk
from fault_table import Row

from edgeq.agent import daemon
from edgeq.deploy import deploy
from edgeq.device import device as device_module
from edgeq.device.client import Client
from edgeq.device.device import Device
from edgeq.errors import EdgeqError, LinkError
from edgeq.link.proxy import Faults, Proxy
from edgeq.link.tcp import TcpLink
from edgeq.transaction import trial

LIMIT_S = 1.0
"""Of every request here; and of looking for a device whose link broke."""
OFFSETS = 20
SLACK_S = 3.0
"""A machine that does much else; a model's process starts within it."""
MODES: tuple[tuple[str, dict[str, str]], ...] = (
    ("nothing from us arrives", {"up": "freeze_at"}),
    ("nothing from the device arrives", {"down": "freeze_at"}),
    ("reset", {"up": "reset_at"}),
    ("closed", {"down": "close_at"}),
    ("a byte a second", {"up": "slow_at"}),
    ("half open: the device is gone and nobody says so", {"up": "lose_at"}),
)


class QuickClient(Client):
    """A client with a time limit for tests."""

    def request(self, command: Any, body: Any, timeout_s: float = LIMIT_S) -> dict[str, Any]:
        return super().request(command, body, min(timeout_s, LIMIT_S))

    def upload(self, *given: Any) -> dict[str, Any]:
        return super().upload(*given, timeout_s=LIMIT_S)


class StreamLink(TcpLink):
    """The agent behind a TCP port: a stream that keeps its bytes, as SSH is one."""

    lossy = False


class QuickDevice(Device):
    """A device behind the proxy; a link that broke is opened through the same one."""

    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__(self._link(), f"tcp://127.0.0.1:{port}", self._link)
        self.client = QuickClient(self.client.link)

    def _link(self) -> StreamLink:
        return StreamLink(f"tcp://127.0.0.1:{self._port}")

    def reconnect(self) -> None:
        super().reconnect()
        self.client = QuickClient(self.client.link)


@contextmanager
def listening(root: Path) -> Iterator[int]:
    """The port behind which the daemon takes every connection over, as it does those of its `attach`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            listener.settimeout(0.1)
            while not ended.is_set():
                try:
                    sock, _ = listener.accept()
                except TimeoutError:
                    continue
                sock.setblocking(True)
                with sock:
                    daemon.join(root, (sock.fileno(), sock.fileno())).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            thread.join(5)


def _sizes(lab: Lab) -> tuple[int, int]:
    """Bytes up and down of a whole deploy."""
    if not hasattr(lab, "_sizes"):
        root = lab.store("serving")
        agent = Daemon(root)
        try:
            assert agent.ready()
            with listening(root) as port, Proxy("127.0.0.1", port) as proxy:
                link = StreamLink(f"tcp://127.0.0.1:{proxy.port}")
                with Device(link, link.name) as device:
                    deploy(lab.other, device)
                lab._sizes = proxy.passed  # type: ignore[attr-defined]
        finally:
            agent.end()
    return lab._sizes  # type: ignore[attr-defined,no-any-return]


def case(lab: Lab, number: int) -> None:
    mode, offset = number % len(MODES), number // len(MODES)
    name, where = MODES[mode]
    sizes = dict(zip(("up", "down"), _sizes(lab), strict=True))
    faults = {way: Faults(**{key: 1 + offset * sizes[way] // OFFSETS}) for way, key in where.items()}
    root = lab.store("serving")
    agent = Daemon(root)
    before = trial.RECONNECT_S, device_module.REQUEST_TIMEOUT_S
    trial.RECONNECT_S, device_module.REQUEST_TIMEOUT_S = LIMIT_S, LIMIT_S
    try:
        assert agent.ready()
        with listening(root) as port, Proxy("127.0.0.1", port, **faults) as proxy:
            _bounded(lab, root, proxy, name)
        with Device(PipeLink(root), "local:", lambda: PipeLink(root)) as device:
            converges(device, lab.other)
    finally:
        trial.RECONNECT_S, device_module.REQUEST_TIMEOUT_S = before
        agent.end()


def _bounded(lab: Lab, root: Path, proxy: Proxy, name: str) -> None:
    began, error = time.monotonic(), None
    with QuickDevice(proxy.port) as device:
        try:
            deploy(lab.other, device)
        except EdgeqError as failed:
            error = failed
    took = time.monotonic() - began
    # A request that is not answered, and then the search for the device.
    assert took < 2 * (LIMIT_S + LIMIT_S) + SLACK_S, f"{name}: it took {took:.1f} s"
    n, _ = serving_on_disk(root)
    assert n in (1, 2)
    if error is None:
        assert n == 2, f"{name}: it was told as done, and release {n} serves"
        return
    assert isinstance(error, LinkError) or error.exit_code == 4, f"{name}: {error!r}"
    assert "is not known" in error.message or "still serves" in error.message or " serves" in error.message, error


ROW = Row(
    name="links",
    what=f"link freezes, is reset, closed at byte k, at 1 B/s, half open: {len(MODES)} modes x {OFFSETS} offsets",
    cases=lambda lab: len(MODES) * OFFSETS,
    case=case,
    reduced=13,  # each mode at two offsets or more
)
