"""The misbehaving proxy misbehaves exactly as told."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edgeq.link.proxy import BURST_BYTES, Faults, Noise, Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(sock: socket.socket) -> None:
        with sock:
            try:
                while data := sock.recv(65536):
                    sock.sendall(data)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(2)


def connect(proxy: Proxy) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    sock.settimeout(30)
    return sock


def take(sock: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count and (piece := sock.recv(65536)):
        got += piece
    return got


def test_forwards_everything(echo: int) -> None:
    data = bytes(range(256)) * 4000
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        assert take(sock, len(data)) == data
        sender.join()


@pytest.mark.parametrize("at", [1, 100, 70_000])
def test_closes_after_the_nth_byte(echo: int, at: int) -> None:
    with Proxy("127.0.0.1", echo, down=Faults(close_at=at)) as proxy, connect(proxy) as sock:
        sock.sendall(b"x" * 100_000)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            got = take(sock, 100_000)
        assert len(got) <= at
        assert at > 100 or len(got) == at


def test_resets_at_a_byte_and_at_once(echo: int) -> None:
    with Proxy("127.0.0.1", echo, up=Faults(reset_at=10)) as proxy, connect(proxy) as sock:
        sock.sendall(b"x" * 11)
        with pytest.raises(ConnectionResetError):
            while sock.recv(100):
                pass
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy) as sock:
        sock.sendall(b"x")
        assert take(sock, 1) == b"x"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_freezes_and_thaws(echo: int) -> None:
    with Proxy("127.0.0.1", echo) as proxy, connect(proxy) as sock:
        sock.sendall(b"a")
        assert take(sock, 1) == b"a"
        proxy.freeze()
        sock.sendall(b"b")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        proxy.thaw()
        sock.settimeout(30)
        assert take(sock, 1) == b"b"
        proxy.drop()
        assert sock.recv(1) == b""


def test_freezes_at_a_byte(echo: int) -> None:
    with Proxy("127.0.0.1", echo, down=Faults(freeze_at=5)) as proxy, connect(proxy) as sock:
        sock.sendall(b"0123456789")
        sock.settimeout(10)
        assert take(sock, 5) == b"01234"
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_loses_the_device_without_a_word(echo: int) -> None:
    with Proxy("127.0.0.1", echo, up=Faults(lose_at=4)) as proxy, connect(proxy) as sock:
        sock.settimeout(2)
        sock.sendall(b"12345678")
        with contextlib.suppress(TimeoutError):
            assert sock.recv(8) in (b"1234", b"12", b"1", b"123")
            assert sock.recv(8) == b"never"
        sock.sendall(b"nobody reads this, and nobody says so")


def test_crawls_from_a_byte_on_and_delays(echo: int) -> None:
    with Proxy("127.0.0.1", echo, up=Faults(slow_at=4, delay_s=0.1)) as proxy, connect(proxy) as sock:
        began = time.monotonic()
        sock.sendall(b"123456")
        found = b""
        while len(found) < 5:
            found += sock.recv(8)
        assert found == b"12345"
        assert time.monotonic() - began > 0.2
        assert sock.recv(8) == b"6"
        assert time.monotonic() - began > 1.1
        assert min(proxy.passed) >= 5


def test_limits_the_rate(echo: int) -> None:
    with Proxy("127.0.0.1", echo, up=Faults(bytes_per_s=20_000)) as proxy, connect(proxy) as sock:
        started = time.monotonic()
        sock.sendall(b"x" * 10_000)
        assert len(take(sock, 10_000)) == 10_000
        assert 0.4 < time.monotonic() - started < 30


def test_nobody_behind_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with Proxy("127.0.0.1", port) as proxy, connect(proxy) as sock:
        assert sock.recv(1) == b""


def test_close_twice(echo: int) -> None:
    proxy = Proxy("127.0.0.1", echo)
    proxy.close()
    proxy.close()


def test_noise_hits_as_often_as_told_in_the_way_told() -> None:
    data = bytes(range(256)) * 400
    corrupt, drop, duplicate = Noise(1, corrupt=0.01), Noise(1, drop=0.01), Noise(1, duplicate=0.01)
    assert sum(a != b for a, b in zip(data, corrupt(data), strict=True)) == corrupt.hits
    assert len(drop(data)) == len(data) - drop.hits
    assert len(duplicate(data)) == len(data) + duplicate.hits
    for noise in (corrupt, drop, duplicate):
        assert 800 < noise.hits < 1250
    assert Noise(2)(data) == data
    assert Noise(3, corrupt=0.1)(data) == Noise(3, corrupt=0.1)(data) != Noise(4, corrupt=0.1)(data)


def test_noise_in_runs_damages_every_byte_of_each() -> None:
    noise = Noise(3, burst=1e-3)
    data = bytes(100_000)
    arrived = noise(data[:50_003]) + noise(data[50_003:])
    damaged = [at for at, byte in enumerate(arrived) if byte]
    assert len(arrived) == len(data)
    assert len(damaged) == noise.hits
    assert 50 * BURST_BYTES < noise.hits < 150 * BURST_BYTES
    first = damaged[0]
    assert damaged[:BURST_BYTES] == list(range(first, first + BURST_BYTES))


def test_noise_goes_one_way_only(echo: int) -> None:
    with Proxy("127.0.0.1", echo, up=Faults(noise=Noise(1, drop=1.0))) as proxy, connect(proxy) as sock:
        sock.sendall(b"lost")
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(10)
