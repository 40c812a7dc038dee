"""Requests and uploads over a serial line that corrupts, drops and doubles bytes; nothing is wrong and all arrives."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fakemcu import FakeMcu

from edgeq.device.client import Client
from edgeq.errors import DeviceError, LinkError, LinkTimeout
from edgeq.link.memory import MemoryLink
from edgeq.link.proxy import Faults, Noise, Proxy
from edgeq.link.tcp import TcpLink
from edgeq.protocol import cobs, contract, smp
from edgeq.protocol.framing import COBS, CONSOLE, Framing

DATA = random.Random(7).randbytes(40_000)
SHA = hashlib.sha256(DATA).digest()
FAULTS = {
    "corrupt": {"corrupt": 1e-4},
    "drop": {"drop": 1e-4},
    "duplicate": {"duplicate": 1e-4},
    "all": {"corrupt": 1e-4, "drop": 1e-4, "duplicate": 1e-4},
    "worse": {"corrupt": 1e-3},
}


def noisy(mcu: FakeMcu, seed: int, **faults: float) -> tuple[Client, Noise, Noise]:
    """A client on a line that damages bytes both ways."""
    up, down = Noise(seed, **faults), Noise(seed + 1, **faults)
    return Client(MemoryLink(lambda data: down(mcu.feed(up(data))), lossy=True)), up, down


def put(client: Client, data: bytes = DATA) -> None:
    client.upload(data, 0, contract.BLOB_PUT, {"sha": hashlib.sha256(data).digest()}, lambda _: None)


@pytest.mark.parametrize("framing", [COBS, CONSOLE], ids=lambda framing: framing.name)
@pytest.mark.parametrize("faults", FAULTS)
def test_uploads_arrive_whole_at_every_fault(faults: str, framing: Framing) -> None:
    hits = 0
    for seed in range(10):
        mcu = FakeMcu(framings=(framing,))
        client, up, down = noisy(mcu, seed * 2, **FAULTS[faults])
        put(client)
        assert bytes(mcu.blobs[SHA]) == DATA
        hits += up.hits + down.hits
    assert hits > 10


@pytest.mark.parametrize("faults", FAULTS)
def test_every_job_begins_once(faults: str) -> None:
    for seed in range(10):
        mcu = FakeMcu()
        client, _, _ = noisy(mcu, seed * 2, **FAULTS[faults])
        jobs = [client.request(contract.ROLLBACK, {})["job"] for _ in range(60)]
        assert jobs == list(range(1, 61))


@pytest.mark.parametrize("faults", FAULTS)
def test_every_inference_runs_once(faults: str) -> None:
    mcu = FakeMcu()
    client, up, down = noisy(mcu, 5, **FAULTS[faults])
    for number in range(60):
        data = random.Random(number).randbytes(1 + 97 * number)
        answer = client.upload(data, 0, contract.INVOKE, {"run": number}, lambda _: None)
        assert (answer["out"], mcu.output) == (32, hashlib.sha256(data).digest())
    assert mcu.runs == 60
    assert up.hits + down.hits > 0


def test_cobs_is_chosen_and_console_where_the_device_has_only_that() -> None:
    for framings, expected in (((COBS, CONSOLE), {"cobs"}), ((CONSOLE,), {"console"})):
        mcu = FakeMcu(framings=framings)
        client = Client(MemoryLink(mcu.feed, lossy=True))
        assert client.request(contract.DESCRIBE, {})["kind"] == "mcu"
        assert set(mcu.heard) == expected


def test_a_repeated_request_has_the_same_bytes_and_an_answer_to_an_earlier_one_is_dropped() -> None:
    mcu, seen = FakeMcu(), []

    def peer(data: bytes) -> bytes:
        answer = mcu.feed(data)
        message = smp.decode(cobs.Decoder().feed(data)[0])
        if message.group == smp.GROUP_OS:
            return answer
        seen.append(data)
        stale = message.answer({"job": 99}).encode()
        late = bytearray(stale)
        late[6] = (late[6] - 1) % 256
        return b"" if len(seen) == 1 else cobs.encode(bytes(late)) + answer

    assert Client(MemoryLink(peer, lossy=True)).request(contract.ROLLBACK, {}) == {"job": 1}
    assert len(seen) == 2
    assert seen[0] == seen[1]


def test_the_device_s_no_ends_an_upload() -> None:
    mcu = FakeMcu()
    original = mcu._carry_out

    def refuse(command: tuple[int, int, int], body: dict[str, object]) -> dict[str, object]:
        if command == contract.BLOB_PUT:
            return {"err": {"group": 64, "rc": 4}, "rsn": "the slot is full"}
        return original(command, body)

    mcu._carry_out = refuse  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match="the slot is full"):
        put(Client(MemoryLink(mcu.feed, lossy=True)))


def test_a_line_without_anybody_is_told_so() -> None:
    with pytest.raises(LinkTimeout, match="answers no echo") as silent:
        Client(MemoryLink(lambda _: b"U-Boot 2024.01\n=> ", lossy=True)).request(contract.DESCRIBE, {})
    assert "other program" in silent.value.hint


def test_a_device_that_falls_silent_ends_the_request_and_noise_is_told() -> None:
    mcu = FakeMcu()
    answers = iter([True] * 2)
    client = Client(MemoryLink(lambda data: mcu.feed(data) if next(answers, False) else b"\0\x05abc\xff\0", lossy=True))
    client.request(contract.DESCRIBE, {})
    with pytest.raises(LinkTimeout, match=r"no answer within 3 s; \d+ frames came damaged"):
        client.request(contract.DESCRIBE, {}, timeout_s=3)
    with pytest.raises(LinkTimeout):
        client.upload(bytes(10), 0, contract.BLOB_PUT, {"sha": SHA}, lambda _: None, timeout_s=3)


def test_frames_are_never_longer_than_the_device_s_buffers() -> None:
    longest = []
    mcu = FakeMcu(buf_size=512, count=2)

    def peer(data: bytes) -> bytes:
        longest.append(max(map(len, cobs.Decoder().feed(data)), default=0))
        return mcu.feed(data)

    put(Client(MemoryLink(peer, lossy=True)))
    assert bytes(mcu.blobs[SHA]) == DATA
    assert 400 < max(longest) <= 512 - 4


@contextmanager
def served(mcu: FakeMcu) -> Iterator[int]:
    """The port of a TCP server that stands for an emulated UART: one connection at a time, as QEMU has it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()
        listener.settimeout(0.05)

        def serve() -> None:
            while not ended.is_set():
                try:
                    sock, _ = listener.accept()
                except TimeoutError:
                    continue
                with sock:
                    sock.settimeout(0.05)
                    while not ended.is_set():
                        try:
                            data = sock.recv(4096)
                            sock.sendall(mcu.feed(data))
                        except TimeoutError:
                            continue
                        except OSError:
                            break
                        if not data:
                            break

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        thread.join(5)


@pytest.mark.parametrize("fault", ["corrupt", "drop", "duplicate"])
def test_over_tcp_through_a_proxy_that_damages_bytes(fault: str) -> None:
    mcu = FakeMcu()
    noise = [Noise(seed, **{fault: 1e-4}) for seed in (1, 2)]
    with served(mcu) as port, Proxy("127.0.0.1", port, up=Faults(noise=noise[0]), down=Faults(noise=noise[1])) as proxy:
        link = TcpLink(f"tcp://127.0.0.1:{proxy.port}")
        client = Client(link)
        put(client)
        jobs = [client.request(contract.ACTIVATE, {"n": 1})["job"] for _ in range(5)]
        link.close()
    assert bytes(mcu.blobs[SHA]) == DATA
    assert noise[0].hits > 0
    assert jobs == sorted(set(jobs))
    assert mcu.done.count(contract.ACTIVATE) == 5


def test_a_link_that_ends_in_the_middle_is_an_error_and_the_next_one_goes_on() -> None:
    mcu = FakeMcu()
    with served(mcu) as port:
        with Proxy("127.0.0.1", port, up=Faults(reset_at=20_000)) as proxy:
            link = TcpLink(f"tcp://127.0.0.1:{proxy.port}")
            with pytest.raises(LinkError):
                put(Client(link))
            link.close()
        have = len(mcu.blobs[SHA])
        link = TcpLink(f"tcp://127.0.0.1:{port}")
        Client(link).upload(DATA, have, contract.BLOB_PUT, {"sha": SHA}, lambda _: None)
        link.close()
    assert 0 < have < len(DATA)
    assert bytes(mcu.blobs[SHA]) == DATA
