"""Finding the device on a serial line: framing and rate, and a slower rate where the line is bad."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest
from fakemcu import FakeLine, FakeMcu

from edgeq.device import client as client_module
from edgeq.device.client import Client
from edgeq.device.line import RATES, settle, slower, usual_rates
from edgeq.errors import LinkTimeout
from edgeq.link.memory import MemoryLink
from edgeq.link.proxy import Noise
from edgeq.protocol import contract, smp
from edgeq.protocol.framing import COBS, CONSOLE, RAW

DATA = random.Random(3).randbytes(60_000)
SHA = hashlib.sha256(DATA).digest()


def put(client: Client) -> None:
    client.upload(DATA, 0, contract.BLOB_PUT, {"sha": SHA}, lambda _: None)


def bad_above(limit: int) -> Callable[[int], Noise | None]:
    """A line that damages many bytes at rates above `limit`, and none below."""
    noise = Noise(1, corrupt=6e-3)
    return lambda baud: noise if baud > limit else None


def test_a_reliable_link_is_not_asked() -> None:
    link = MemoryLink(lambda _: pytest.fail("nothing may be sent"))  # type: ignore[arg-type, return-value]
    assert settle(link).framing is RAW


def test_console_is_asked_for_at_the_beginning_of_a_line() -> None:
    sent = bytearray()

    def peer(data: bytes) -> bytes:
        sent.extend(data)
        return mcu.feed(data)

    mcu = FakeMcu(framings=(CONSOLE,))
    assert settle(MemoryLink(peer, lossy=True)).framing is CONSOLE
    assert b"\0\n\x06\x09" in sent


def test_a_late_answer_counts_for_the_framing_it_answers() -> None:
    mcu, held = FakeMcu(), bytearray()

    def slow(data: bytes) -> bytes:
        held.extend(mcu.feed(data))
        if len(mcu.heard) < 2:
            return b""
        return bytes(held)

    assert settle(MemoryLink(slow, lossy=True)).framing is COBS


def test_a_board_that_is_still_starting_is_waited_for() -> None:
    mcu, deaf = FakeMcu(), [True] * 7
    found = settle(MemoryLink(lambda data: b"boot...\n" if deaf and deaf.pop() else mcu.feed(data), lossy=True))
    assert found.framing in (COBS, CONSOLE)


def test_an_answer_to_somebody_else_s_echo_is_not_taken() -> None:
    other = FakeMcu().feed(COBS.encode(b"\x0a\0\0\6\0\0\0\0\xa1\x61\x64\x62hi"))
    assert other
    with pytest.raises(LinkTimeout):
        settle(MemoryLink(lambda _: other, lossy=True))


def test_the_device_is_found_at_its_own_rate_and_brought_to_the_wanted_one() -> None:
    line = FakeLine(FakeMcu(), baud=921_600, device_baud=115_200)
    assert usual_rates(line) == (921_600, 115_200)
    assert Client(line).request(contract.DESCRIBE, {})["kind"] == "mcu"
    assert (line.rates, line.baud, line.device_baud) == ([921_600], 921_600, 921_600)


def test_a_device_that_cannot_change_its_rate_stays_where_it_was_found() -> None:
    line = FakeLine(FakeMcu(), baud=921_600, device_baud=115_200, has_rates=False)
    put(Client(line))
    assert (line.baud, bytes(line.mcu.blobs[SHA]) == DATA) == (115_200, True)


def test_a_rate_at_which_the_device_is_not_heard_is_left_again() -> None:
    mcu = FakeMcu()
    line = FakeLine(
        mcu, baud=3_000_000, device_baud=115_200, noise=lambda baud: None if baud < 1e6 else Noise(1, drop=1)
    )
    deliver = line._peer

    def falls_back(data: bytes) -> bytes:
        if line.baud == line.boot_baud != line.device_baud:
            line.device_baud = line.boot_baud
        return deliver(data)

    line._peer = falls_back
    assert Client(line).request(contract.DESCRIBE, {})["kind"] == "mcu"
    assert (line.rates, line.baud) == ([3_000_000], 115_200)


def test_a_bad_line_is_slowed_down_until_it_carries() -> None:
    line = FakeLine(FakeMcu(), baud=921_600, device_baud=921_600, noise=bad_above(300_000))
    put(Client(line))
    assert bytes(line.mcu.blobs[SHA]) == DATA
    assert line.baud in (230_400, 115_200)


def test_a_good_line_with_small_buffers_is_not_slowed_down() -> None:
    line = FakeLine(FakeMcu(buf_size=256), baud=921_600, device_baud=921_600)
    put(Client(line))
    assert (line.rates, line.baud, bytes(line.mcu.blobs[SHA]) == DATA) == ([], 921_600, True)


def test_a_bad_line_with_one_rate_carries_slowly() -> None:
    mcu, noise = FakeMcu(), Noise(1, corrupt=2e-3)
    line = FakeLine(mcu, baud=115_200, device_baud=115_200, noise=lambda _: noise, has_rates=False)
    put(Client(line))
    assert bytes(mcu.blobs[SHA]) == DATA


def test_after_a_pause_the_device_is_looked_for_at_its_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    line = FakeLine(FakeMcu(), baud=460_800, device_baud=115_200)
    client = Client(line)
    client.request(contract.DESCRIBE, {})
    line.device_baud = line.boot_baud
    monkeypatch.setattr(client_module, "LINE_IDLE_S", -1.0)
    client.request(contract.DESCRIBE, {})
    assert (line.rates[:2], line.device_baud) == ([460_800, 460_800], 460_800)


def test_after_a_reset_the_board_is_waited_for_at_its_own_rate() -> None:
    line = FakeLine(FakeMcu(), baud=460_800, device_baud=115_200)
    client = Client(line)
    client.request(contract.DESCRIBE, {})
    client.request((smp.WRITE, smp.GROUP_OS, smp.OS_RESET), {})
    line.device_baud = line.boot_baud
    client.request(contract.DESCRIBE, {})
    assert (line.rates, line.device_baud) == ([460_800, 460_800], 460_800)


def test_the_ladder_of_rates() -> None:
    assert [slower(921_600), slower(250_000), slower(115_200), slower(9600)] == [460_800, 230_400, None, None]
    assert list(RATES) == sorted(RATES, reverse=True)
