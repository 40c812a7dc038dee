"""A serial line that damages bytes, in both framings: uploads arrive whole, or the command says that they did not and
the next one goes on where it ended; every job begins once and every inference runs once, whatever is repeated.

Time is the line's own: a clock that the bytes move, ten bits each, so that nothing here waits. The device is the one of
the client's tests, with the product's codecs; the firmware itself meets such lines in tests/firmware.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fakemcu import FakeMcu
from fault_lab import Lab
from fault_table import Row

from edgeq.device import client as client_module
from edgeq.device import line as line_module
from edgeq.device.client import Client
from edgeq.errors import LinkError, LinkTimeout
from edgeq.link import frames
from edgeq.link.proxy import BURST_BYTES, Noise
from edgeq.protocol import contract
from edgeq.protocol.framing import COBS, CONSOLE

BAUD = 921_600
TURN_S = 0.001
SIZE_BYTES = 48_000
RATES = (1e-5, 1e-4, 1e-3)
FRAMINGS = (COBS, CONSOLE)
SEEDS = 10
FAULTS = ("corrupt", "drop", "duplicate", "all three", "bursts", "a second of silence", "unplugged")
JOBS = 5
MOST_COMMANDS = 4
"""How often a person may have to give the command again at a fault in a thousand bytes."""


class Clock:
    """Seconds that only bytes and time limits move."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class Dice:
    """What takes the place of `secrets`, so that a case is the same each time."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def randbelow(self, limit: int) -> int:
        return self._dice.randrange(limit)

    def token_hex(self, count: int) -> str:
        return self._dice.randbytes(count).hex()


@contextmanager
def virtual_time(dice: random.Random) -> Iterator[Clock]:
    """The host's clock is this one, and its chance that of `dice`."""
    clock = Clock()
    for module in (client_module, line_module, frames):
        module.time = clock  # type: ignore[attr-defined]
    for module in (client_module, line_module):
        module.secrets = Dice(dice)  # type: ignore[attr-defined]
    try:
        yield clock
    finally:
        for module in (client_module, line_module, frames):
            module.time = time  # type: ignore[attr-defined]
        for module in (client_module, line_module):
            module.secrets = secrets  # type: ignore[attr-defined]


class VirtualLine:
    """Ten bits a byte each way. `dead` are spans of time in which nothing arrives; `cut_at` ends the link after so many
    bytes were sent."""

    name, lossy = "serial:/dev/ttyVIRTUAL", True

    def __init__(
        self,
        clock: Clock,
        mcu: FakeMcu,
        noise: tuple[Noise, Noise],
        dead: tuple[tuple[float, float], ...] = (),
        cut_at: int | None = None,
    ) -> None:
        self._clock, self._mcu, self._dead, self._cut_at = clock, mcu, dead, cut_at
        self._up, self._down = noise
        self._up_free = self._down_free = 0.0
        self._answers: deque[tuple[float, bytes]] = deque()
        self._sent = 0

    def send(self, data: bytes, timeout_s: float) -> None:
        self._check()
        self._sent += len(data)
        self._up_free = max(self._clock.now, self._up_free) + len(data) * 10 / BAUD
        if self._is_dead(self._up_free):
            return
        answer = self._mcu.feed(self._up(data))
        if answer:
            self._down_free = max(self._up_free + TURN_S, self._down_free) + len(answer) * 10 / BAUD
            if not self._is_dead(self._down_free):
                self._answers.append((self._down_free, self._down(answer)))

    def receive(self, timeout_s: float) -> bytes:
        self._check()
        if self._answers and self._answers[0][0] <= self._clock.now + timeout_s:
            when, data = self._answers.popleft()
            self._clock.now = max(self._clock.now, when)
            return data
        self._clock.now += max(timeout_s, 1e-6)
        raise LinkTimeout(f"{self.name} said nothing within {timeout_s:g} s.", "")

    def close(self) -> None:
        self._cut_at = 0

    def _check(self) -> None:
        if self._cut_at is not None and self._sent >= self._cut_at:
            raise LinkError(f"{self.name} is gone.", "Plug it in again.")

    def _is_dead(self, when: float) -> bool:
        return any(start <= when < end for start, end in self._dead)


def _noise(fault: str, rate: float, seed: int) -> Noise:
    given = {
        "corrupt": {"corrupt": rate},
        "drop": {"drop": rate},
        "duplicate": {"duplicate": rate},
        "all three": {"corrupt": rate, "drop": rate, "duplicate": rate},
        "bursts": {"burst": rate / BURST_BYTES},
    }.get(fault, {"corrupt": rate})
    return Noise(seed, **given)


def case(lab: Lab, number: int) -> None:
    """Seeds change slowest, so that the reduced count meets every fault at every rate in both framings."""
    rest, fault = divmod(number, len(FAULTS))
    rest, rate = divmod(rest, len(RATES))
    _, framing = divmod(rest, len(FRAMINGS))
    dice = random.Random(number)
    data = dice.randbytes(SIZE_BYTES)
    mcu = FakeMcu(framings=(FRAMINGS[framing],))
    name = FAULTS[fault]
    with virtual_time(dice) as clock:
        noise = (_noise(name, RATES[rate], 2 * number), _noise(name, RATES[rate], 2 * number + 1))
        start = 0.2 * dice.random()
        dead = ((start, start + 1.0),) if name == "a second of silence" else ()
        cut_at = 300 + dice.randrange(SIZE_BYTES - 300) if name == "unplugged" else None
        commands = _send(clock, mcu, noise, dead, cut_at, data)
        assert bytes(mcu.blobs[hashlib.sha256(data).digest()]) == data, "bytes arrived damaged"
        allowed = 1 + (name == "unplugged") if RATES[rate] < 1e-3 else MOST_COMMANDS
        assert commands <= allowed, f"{commands} commands were needed at {RATES[rate]} ({name})"
        _once(Client(VirtualLine(clock, mcu, noise)), mcu)
        clean_s = 1.4 * SIZE_BYTES * 10 / BAUD
        limit_s = 12 * clean_s + 8 if RATES[rate] < 1e-3 else 400
        assert clock.now < limit_s, f"{clock.now:.1f} s on the line at {RATES[rate]} ({name})"


def _send(
    clock: Clock,
    mcu: FakeMcu,
    noise: tuple[Noise, Noise],
    dead: tuple[tuple[float, float], ...],
    cut_at: int | None,
    data: bytes,
) -> int:
    """How many commands it took: each after the first goes on where the one before ended."""
    sha = hashlib.sha256(data).digest()
    for count in range(1, MOST_COMMANDS + 3):
        line = VirtualLine(clock, mcu, noise, dead, cut_at if count == 1 else None)
        try:
            offset = len(mcu.blobs.get(sha, b""))
            if offset < len(data):
                Client(line).upload(data, offset, contract.BLOB_PUT, {"sha": sha}, lambda _: None)
            if bytes(mcu.blobs[sha]) == data:
                return count
            del mcu.blobs[sha]  # a CRC let damage pass, as one in 65,536 does; the SHA-256 does not
        except LinkError as error:
            assert error.hint or "gone" in error.message
    raise AssertionError("the bytes do not arrive at all")


def _once(client: Client, mcu: FakeMcu) -> None:
    jobs = [client.request(contract.ACTIVATE, {"n": 1})["job"] for _ in range(JOBS)]
    assert jobs == sorted(set(jobs)) and mcu.done.count(contract.ACTIVATE) == JOBS, "a job began twice, or never"
    runs, sample = mcu.runs, bytes(range(200))
    client.upload(sample, 0, contract.INVOKE, {"run": 7}, lambda _: None)
    assert mcu.runs == runs + 1 and mcu.output == hashlib.sha256(sample).digest(), "an inference ran twice, or never"


ROW = Row(
    name="serial",
    what="serial line: corrupt, drop, duplicate, all, bursts, silence, unplugged; 1e-5 to 1e-3, COBS and console",
    cases=lambda lab: len(FAULTS) * len(RATES) * len(FRAMINGS) * SEEDS,
    case=case,
    reduced=42,
)
