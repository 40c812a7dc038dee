"""A link over TCP to a serial line: an emulated board's UART, ser2net, a lab's exporter."""

from __future__ import annotations

import contextlib
import select
import socket

from edgeq.errors import LinkError, LinkTimeout
from edgeq.link.line_address import parse_tcp

CONNECT_S = 5.0
READ_BYTES = 1 << 16
HINT = "Run the same command again."


class TcpLink:
    """Opened by its constructor. Bytes that TCP delivers may have been lost on the line behind it."""

    lossy = True

    def __init__(self, address: str) -> None:
        self.name = address
        try:
            self._socket = socket.create_connection(parse_tcp(address), timeout=CONNECT_S)
        except OSError as error:
            raise LinkError(f"{address} cannot be reached: {error}.", "Is the program there that listens?") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._closed = False

    def send(self, data: bytes, timeout_s: float) -> None:
        view = memoryview(data)
        while view:
            self._wait(writing=True, timeout_s=timeout_s)
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone(error) from error

    def receive(self, timeout_s: float) -> bytes:
        self._wait(writing=False, timeout_s=timeout_s)
        try:
            data = self._socket.recv(READ_BYTES)
        except OSError as error:
            raise self._gone(error) from error
        if not data:
            raise LinkError(f"{self.name} closed the connection.", "Is another program connected to it? " + HINT)
        return data

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.close()

    def _wait(self, *, writing: bool, timeout_s: float) -> None:
        if self._closed:
            raise LinkError(f"The link to {self.name} is closed.", "Open it again.")
        mine = [self._socket]
        ready = select.select([] if writing else mine, mine if writing else [], [], max(0.0, timeout_s))
        if not any(ready):
            what = "took no bytes" if writing else "sent nothing"
            raise LinkTimeout(f"{self.name} {what} for {timeout_s:.3g} s.", HINT)

    def _gone(self, error: OSError) -> LinkError:
        return LinkError(f"The connection to {self.name} broke: {error}.", HINT)
