"""A TCP link: every byte passes, and every wait and every end is told in time."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from edgeq.errors import LinkError, LinkTimeout
from edgeq.link.tcp import TcpLink


@pytest.fixture
def pair() -> Iterator[tuple[TcpLink, socket.socket]]:
    """A link and the other end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = TcpLink(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        peer, _ = listener.accept()
        with peer:
            yield link, peer
        link.close()


def test_bytes_pass_both_ways(pair: tuple[TcpLink, socket.socket]) -> None:
    link, peer = pair
    peer.sendall(bytes(range(256)))
    assert link.receive(1) == bytes(range(256))
    link.send(b"to the device", 1)
    assert peer.recv(100) == b"to the device"
    assert link.lossy


def test_silence_and_a_peer_that_takes_nothing(pair: tuple[TcpLink, socket.socket]) -> None:
    link, _ = pair
    with pytest.raises(LinkTimeout, match=r"sent nothing for 0.01 s"):
        link.receive(0.01)
    with pytest.raises(LinkTimeout, match="took no bytes"):
        link.send(bytes(1 << 26), 0.05)


def test_the_end(pair: tuple[TcpLink, socket.socket]) -> None:
    link, peer = pair
    peer.close()
    with pytest.raises(LinkError, match="closed the connection") as ended:
        link.receive(1)
    assert "another program" in ended.value.hint
    with pytest.raises(LinkError, match="broke"):
        for _ in range(100):
            link.send(bytes(1000), 1)
    link.close()
    link.close()
    for call in (lambda: link.receive(1), lambda: link.send(b"x", 1)):
        with pytest.raises(LinkError, match="closed"):
            call()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LinkError, match="cannot be reached"):
        TcpLink(f"tcp://127.0.0.1:{port}")
