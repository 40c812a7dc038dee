"""Goodput of an upload over a serial line at 921,600 baud, in the line's own time, in both framings.

`python benchmarks/goodput.py [--kib 300] [--baud 921600] [--tick-ms 1] [--json]`. The device is the shipped firmware as
a process of this machine; the line is one of this program, with a clock that only bytes move: ten bits each, and an
answer leaves a tick after the last byte of its question. So the figure tells what the protocol makes of a line, the
same on any machine; an emulated UART could not. The bars are shares of the line: 90 % with COBS, 66 % with console.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeq.device import client as client_module
from edgeq.device import line as line_module
from edgeq.device.client import Client
from edgeq.errors import LinkTimeout
from edgeq.link import frames as frames_module
from edgeq.link.line_address import parse_tcp
from edgeq.protocol import contract
from edgeq.protocol.framing import COBS, CONSOLE, Framing

ROOT = Path(__file__).resolve().parents[1]
BARS = {"cobs": 0.90, "console": 0.66}
BITS_PER_BYTE = 10
SLOWEST_S = 30.0
"""How long the firmware may take for one answer on a machine that does much else."""


class Clock:
    """Stands in for `time` on the host's side."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@contextmanager
def own_clock() -> Iterator[Clock]:
    """The host's waits are measured by this clock meanwhile."""
    clock, modules = Clock(), (client_module, line_module, frames_module)
    for module in modules:
        module.time = clock  # type: ignore[attr-defined]
    try:
        yield clock
    finally:
        for module in modules:
            module.time = time  # type: ignore[attr-defined]


class PacedLine:
    """A line to the firmware that is deaf to all framings but one, so that this one is settled on."""

    name, lossy = "serial:paced", True

    def __init__(self, address: str, framing: Framing, clock: Clock, baud: int, tick_s: float) -> None:
        self._socket = socket.create_connection(parse_tcp(address))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(SLOWEST_S)
        self._framing, self._clock, self._tick_s = framing, clock, tick_s
        self.baud = baud
        self._up_free = self._down_free = 0.0
        self._answers: deque[tuple[float, bytes]] = deque()
        self.sent = self.received = 0

    def set_baud(self, baud: int) -> None:
        """The board is taken to have come up with this line's rate."""

    def send(self, data: bytes, timeout_s: float) -> None:
        del timeout_s
        self.sent += len(data)
        self._up_free = max(self._clock.now, self._up_free) + len(data) * BITS_PER_BYTE / self.baud
        if (b"\0" in data) != (self._framing is COBS):
            return
        self._socket.sendall(data)
        answer = self._answer()
        self._down_free = max(self._up_free + self._tick_s, self._down_free) + len(answer) * BITS_PER_BYTE / self.baud
        self._answers.append((self._down_free, answer))

    def _answer(self) -> bytes:
        """The bytes of one whole answer: the firmware gives one to every message."""
        decoder, data = self._framing.decoder(), b""
        while True:
            piece = self._socket.recv(1 << 16)
            if not piece:
                raise RuntimeError("the firmware has ended")
            data += piece
            if decoder.feed(piece):
                return data

    def receive(self, timeout_s: float) -> bytes:
        if not self._answers or self._answers[0][0] > self._clock.now + timeout_s:
            self._clock.now += max(timeout_s, 1e-6)
            raise LinkTimeout(f"{self.name} said nothing within {timeout_s:g} s.", "")
        when, data = self._answers.popleft()
        self._clock.now = max(self._clock.now, when)
        self.received += len(data)
        return data

    def close(self) -> None:
        self._socket.close()


def build_firmware(folder: Path) -> Path:
    """The shipped firmware, built for this machine."""
    elf = folder / "build" / "firmware.elf"
    command = ["make", "-s", "-C", str(ROOT / "firmware_stubs"), "-f", "firmware.mk", "PORT=host"]
    subprocess.run([*command, f"BUILD={elf.parent}"], check=True, timeout=600)
    return elf


@contextmanager
def firmware(folder: Path) -> Iterator[str]:
    """The address of a board of this machine, with an erased flash."""
    process = subprocess.Popen([build_firmware(folder), folder / "flash"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait(10)


def make_payload(size: int, name: str) -> bytes:
    """An image of this size, for the device looks at an image's envelope before it takes the rest."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from mcu import make_image  # type: ignore[import-not-found]

    def longer(image: bytearray) -> None:
        image += bytes(max(0, size - len(image)))
        image[4:8] = len(image).to_bytes(4, "little")

    image: bytes = make_image(name=name, edit=longer)
    return image


def measure(address: str, framing: Framing, payload: bytes, baud: int, tick_s: float) -> dict[str, Any]:
    """One upload."""
    with own_clock() as clock:
        line = PacedLine(address, framing, clock, baud, tick_s)
        client = Client(line)
        client.request(contract.DESCRIBE, {})
        began, sent = clock.now, line.sent
        sha = hashlib.sha256(payload).digest()
        client.upload(payload, 0, contract.BLOB_PUT, {"sha": sha}, lambda _: None)
        seconds = clock.now - began
        missing = client.request(contract.BLOB_HAVE, {"sha": [sha]})["missing"]
        line.close()
    if missing:
        raise RuntimeError("the upload is not complete on the device")
    kib_per_s, limit = len(payload) / 1024 / seconds, baud / BITS_PER_BYTE / 1024
    found = {"framing": framing.name, "kib_per_s": round(kib_per_s, 1), "of_the_line": round(kib_per_s / limit, 4)}
    return {**found, "sent_bytes": line.sent - sent, "bar": BARS[framing.name]}


def main() -> int:
    """Print both; exit 1 below a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kib", type=int, default=300)
    parser.add_argument("--baud", type=int, default=921_600)
    parser.add_argument("--tick-ms", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, firmware(Path(folder)) as address:
        found = [
            measure(address, framing, make_payload(given.kib << 10, framing.name), given.baud, given.tick_ms / 1000)
            for framing in (COBS, CONSOLE)
        ]
    if given.json:
        print(json.dumps({"baud": given.baud, "kib": given.kib, "tick_ms": given.tick_ms, "found": found}, indent=1))
    else:
        for item in found:
            print("{framing}: {kib_per_s} KiB/s, {of_the_line:.1%} of the line (bar {bar:.0%})".format(**item))
    return int(any(item["of_the_line"] < item["bar"] for item in found))


if __name__ == "__main__":
    sys.exit(main())
