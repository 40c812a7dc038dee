"""Requests over a link that lies, repeats, is late or ends."""

from __future__ import annotations

import pytest

from edgeq.device.client import Client
from edgeq.errors import DeviceError, LinkError, LinkTimeout, ProtocolError
from edgeq.link.memory import MemoryLink
from edgeq.protocol import contract, smp
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status

PARAMS = {"buf_size": 1000, "buf_count": 4}


def client(*answers: dict[str, object] | bytes, skip: int = 0) -> Client:
    """A client whose device gives these answers in turn, to whatever it is asked."""
    left = list(answers)

    def peer(data: bytes) -> bytes:
        request = smp.decode(data)
        answer = left.pop(0)
        if isinstance(answer, bytes):
            return answer
        late = Message(request.op + 1, request.group, request.command, (request.sequence - skip) % 256, {"late": True})
        return (late.encode() if skip else b"") + request.answer(answer).encode()

    return Client(MemoryLink(peer))


def test_late_answers_are_dropped_by_their_sequence() -> None:
    assert client({"kind": "linux"}, skip=1).request(contract.DESCRIBE, {}) == {"kind": "linux"}


def test_the_device_s_no_has_its_status_reason_and_a_hint() -> None:
    with pytest.raises(DeviceError) as no:
        client({"err": {"group": 64, "rc": 4}, "rsn": "the device has no space left"}).request(contract.DESCRIBE, {})
    assert (no.value.status, no.value.message) == (Status.NO_SPACE, "memory: says no: the device has no space left.")
    assert "space" in no.value.hint


@pytest.mark.parametrize("body", [{"rc": 8}, {"err": {"group": 1, "rc": 3}}, {"err": 5}])
def test_foreign_refusals_are_told_too(body: dict[str, object]) -> None:
    with pytest.raises(DeviceError) as no:
        client(body).request(contract.DESCRIBE, {})
    assert no.value.status == Status.UNSUPPORTED


def test_noise_and_silence() -> None:
    with pytest.raises(ProtocolError, match="not SMP"):
        client(b"Welcome to device\nlogin: ").request(contract.DESCRIBE, {})
    with pytest.raises(LinkTimeout):
        client(b"").request(contract.DESCRIBE, {}, timeout_s=0.05)


@pytest.mark.parametrize(
    "params",
    [{}, {"buf_size": 10, "buf_count": 4}, {"buf_size": 1000, "buf_count": 0}, {"buf_size": "x", "buf_count": 1}],
)
def test_impossible_buffers(params: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="buffers"):
        _ = client(params).buffers


def test_an_upload_that_never_gets_on_ends() -> None:
    stuck = client(PARAMS, *({"off": 0} for _ in range(100)))
    with pytest.raises(LinkError, match="stalled"):
        stuck.upload(bytes(5000), 0, contract.BLOB_PUT, {}, lambda _: None)
    with pytest.raises(LinkError, match="wants offset 9999"):
        client(PARAMS, {"off": 9999}).upload(bytes(50), 0, contract.BLOB_PUT, {}, lambda _: None)


def test_a_blob_that_is_there_but_was_never_found_right_is_ended_by_an_empty_chunk() -> None:
    asked: list[dict[str, object]] = []

    def peer(data: bytes) -> bytes:
        request = smp.decode(data)
        asked.append(request.body)
        return request.answer(PARAMS if request.group == smp.GROUP_OS else {"off": 10}).encode()

    found = Client(MemoryLink(peer)).upload(bytes(10), 10, contract.BLOB_PUT, {"sha": b"x"}, lambda _: None)
    assert found == {"off": 10}
    assert asked[-1] == {"sha": b"x", "off": 10, "len": 10, "data": b""}


def test_silence_on_a_reliable_link_is_the_end() -> None:
    client = Client(MemoryLink(lambda data: smp.decode(data).answer(PARAMS).encode() if len(data) < 20 else b""))
    with pytest.raises(LinkTimeout):
        client.upload(bytes(500), 0, contract.BLOB_PUT, {}, lambda _: None, timeout_s=0.01)


def test_a_link_that_ends_midway() -> None:
    link = MemoryLink(
        lambda data: smp.decode(data).answer(PARAMS).encode() if len(data) < 100 else b"", close_after=2000
    )
    with pytest.raises(LinkError, match="closed"):
        Client(link).upload(bytes(50000), 0, contract.BLOB_PUT, {}, lambda _: None)
