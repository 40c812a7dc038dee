"""A loopback TCP proxy that misbehaves on demand: the fault injector that ships beside the real links.

It forwards every connection to one place and can freeze (both sides stay open, nothing moves), reset, close after the
n-th byte, limit the rate, or lose bytes as a serial line does. Used by the tests of every link that runs over TCP.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType

PIECE_BYTES = 1 << 16
TICK_S = 0.05
BURST_BYTES = 16


class Noise:
    """What a bad serial line does to bytes: each is corrupted, dropped or doubled with these probabilities, or begins,
    with that of `burst`, a run of `BURST_BYTES` that are all corrupted."""

    def __init__(
        self, seed: int, *, corrupt: float = 0.0, drop: float = 0.0, duplicate: float = 0.0, burst: float = 0.0
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311  (a test that can be repeated)
        self._corrupt, self._drop, self._duplicate, self._burst = corrupt, drop, duplicate, burst
        self._left = 0
        self.hits = 0

    def __call__(self, data: bytes) -> bytes:
        """`data` as it arrives."""
        total = self._corrupt + self._drop + self._duplicate + self._burst
        out = bytearray()
        for byte in data:
            dice = self._random.random()
            if dice >= total and not self._left:
                out.append(byte)
                continue
            self.hits += 1
            if self._left or dice >= total - self._burst:
                self._left = (self._left or BURST_BYTES) - 1
            if self._left or dice < self._corrupt or dice >= total - self._burst:
                out.append(byte ^ self._random.randrange(1, 256))
            elif dice < self._corrupt + self._duplicate:
                out += bytes((byte, byte))
        return bytes(out)


@dataclass(frozen=True)
class Faults:
    """What happens to the bytes of one direction, counted over each connection. None means never.

    `close_at` closes both sides after exactly that many bytes were forwarded, `reset_at` does it with RST, `freeze_at`
    stops forwarding in this direction; `lose_at` loses the other side without a word, as a cable that is pulled does;
    from `slow_at` on one byte passes in a second; `bytes_per_s` is the most that passes in a second; `delay_s` is how
    much later each piece arrives; `noise` damages bytes.
    """

    close_at: int | None = None
    reset_at: int | None = None
    freeze_at: int | None = None
    lose_at: int | None = None
    slow_at: int | None = None
    bytes_per_s: int | None = None
    delay_s: float = 0.0
    noise: Noise | None = None

    def next_stop(self) -> int | None:
        """The byte at which something happens, or None."""
        stops = (self.close_at, self.reset_at, self.freeze_at, self.lose_at, self.slow_at)
        return min((at for at in stops if at is not None), default=None)

    def rate(self, passed: int) -> int | None:
        """The most bytes per second after so many; None for no limit."""
        return 1 if self.slow_at is not None and passed >= self.slow_at else self.bytes_per_s


class _Pair:
    """One connection through the proxy."""

    def __init__(self, client: socket.socket, device: socket.socket) -> None:
        self.client, self.device = client, device
        self.lost = False
        self._lock = threading.Lock()
        self._open = True

    def lose_device(self) -> None:
        """End the device's side; the other hears nothing of it."""
        self.lost = True
        with contextlib.suppress(OSError):
            self.device.shutdown(socket.SHUT_RDWR)
        self.device.close()

    def end(self, *, reset: bool = False) -> None:
        with self._lock:
            if not self._open:
                return
            self._open = False
        for sock in (self.client, self.device):
            with contextlib.suppress(OSError):
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    sock.shutdown(socket.SHUT_RDWR)
            # `close` alone does not wake the other thread's `recv`, which ends within its timeout.
            sock.close()

    @property
    def open(self) -> bool:
        return self._open


class Proxy:
    """Listens on `127.0.0.1:port` and forwards to `host:target_port`; `up` is from client to device, `down` back."""

    def __init__(self, host: str, target_port: int, *, up: Faults | None = None, down: Faults | None = None) -> None:
        self._target = (host, target_port)
        self._up, self._down = up or Faults(), down or Faults()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TICK_S)
        self.port: int = self._listener.getsockname()[1]
        self._moving, self._ended = threading.Event(), threading.Event()
        self._moving.set()
        self.passed = (0, 0)
        """Bytes that were forwarded up and down, on all connections."""
        self._pairs: list[_Pair] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def freeze(self) -> None:
        """Stop forwarding on every connection, both ways; they stay open."""
        self._moving.clear()

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._moving.set()

    def reset(self) -> None:
        """End every connection with RST; new ones are accepted."""
        for pair in list(self._pairs):
            pair.end(reset=True)

    def drop(self) -> None:
        """Close every connection in order; new ones are accepted."""
        for pair in list(self._pairs):
            pair.end()

    def close(self) -> None:
        """End everything; never raises, may be called twice."""
        self._ended.set()
        self._moving.set()
        self.drop()
        for thread in list(self._threads):
            thread.join(2)
        self._listener.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            try:
                device = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            for sock in (client, device):
                sock.settimeout(TICK_S)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = _Pair(client, device)
            self._pairs.append(pair)
            self._start(self._pump, pair, client, device, self._up)
            self._start(self._pump, pair, device, client, self._down)

    def _pump(self, pair: _Pair, source: socket.socket, sink: socket.socket, faults: Faults) -> None:
        passed, stop = 0, faults.next_stop()
        while pair.open and not self._ended.is_set():
            if not self._moving.wait(TICK_S) or (passed == faults.freeze_at and self._idle()):
                continue
            rate = faults.rate(passed)
            size = PIECE_BYTES if stop is None or passed >= stop else min(PIECE_BYTES, stop - passed)
            if rate:
                size = min(size, max(1, int(rate * TICK_S)))
            try:
                data = source.recv(size)
            except TimeoutError:
                continue
            except OSError:
                break
            if faults.delay_s:
                self._ended.wait(faults.delay_s)
            # Bytes that were on their way when the freeze came stay here.
            while not self._moving.wait(TICK_S) and not self._ended.is_set():
                continue
            if not data or not self._forward(pair, sink, faults.noise(data) if faults.noise else data):
                break
            passed += len(data)
            up = source is pair.client
            self.passed = (self.passed[0] + len(data) * up, self.passed[1] + len(data) * (not up))
            if rate:
                self._ended.wait(len(data) / rate)
            if passed in (faults.close_at, faults.reset_at):
                return pair.end(reset=passed == faults.reset_at)
            if passed == faults.lose_at:
                return self._lost(pair)
        if not pair.lost:
            pair.end()
        return None

    def _lost(self, pair: _Pair) -> None:
        """The device's side is gone; the client's stays open, and what it sends is swallowed."""
        pair.lose_device()
        while pair.open and not self._ended.is_set():
            try:
                if not pair.client.recv(PIECE_BYTES):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        pair.end()

    def _idle(self) -> bool:
        self._ended.wait(TICK_S)
        return True

    def _forward(self, pair: _Pair, sink: socket.socket, data: bytes) -> bool:
        view = memoryview(data)
        while view and pair.open and not self._ended.is_set():
            try:
                view = view[sink.send(view) :]
            except TimeoutError:
                continue
            except OSError:
                return False
        return not view
