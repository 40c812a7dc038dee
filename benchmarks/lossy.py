"""Uploads over a serial line that corrupts, drops and doubles one byte in ten thousand each: edgeq against smpclient.

`python benchmarks/lossy.py [--kib 64] [--seeds 5] [--rate 1e-4] [--baud 921600] [--json]`. Both in turns, with the same
image, against the shipped firmware as a process of this machine, behind a proxy that paces and damages the bytes both
ways, by the same seeds. Whether an image has arrived is what the device says, over a clean line, having hashed it.
edgeq must succeed every time. smpclient is what it is from PyPI, in console frames (its default) and in COBS.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import logging
import os
import pty
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.device.client import Client
from edgeq.device.device import Device
from edgeq.errors import EdgeqError
from edgeq.link.line_address import parse_tcp
from edgeq.link.proxy import Faults, Noise, Proxy
from edgeq.link.tcp import TcpLink
from edgeq.protocol import contract

MOST_S = 120.0
"""After that an upload counts as failed."""


@dataclass(frozen=True)
class Line:
    """What a byte has to expect."""

    rate: float
    baud: int
    seed: int

    def faults(self, direction: int) -> Faults:
        noise = Noise(2 * self.seed + direction, corrupt=self.rate, drop=self.rate, duplicate=self.rate)
        return Faults(bytes_per_s=self.baud // 10, noise=noise)


@contextmanager
def board(elf: Path, folder: Path) -> Iterator[str]:
    """The address of a board with an erased flash."""
    flash = folder / "flash"
    flash.unlink(missing_ok=True)
    process = subprocess.Popen([elf, flash], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait(10)


def with_edgeq(address: str, image: bytes) -> None:
    """As `edgeq deploy` sends an image."""
    link = TcpLink(address)
    try:
        sha = hashlib.sha256(image).digest()
        Client(link).upload(image, 0, contract.BLOB_PUT, {"sha": sha}, lambda _: None)
    finally:
        link.close()


def with_smpclient(address: str, image: bytes, *, cobs: bool = False) -> None:
    """As its own examples send an image, at the other end of a pseudo-terminal."""
    from smpclient import SMPClient  # type: ignore[import-not-found,unused-ignore]
    from smpclient.transport.serial import SMPSerialTransport  # type: ignore[import-not-found,unused-ignore]

    transport = _cobs_transport() if cobs else SMPSerialTransport()

    async def upload(port: str) -> None:
        client = SMPClient(transport, port)
        await client.connect()
        try:
            async with asyncio.timeout(MOST_S):
                async for _ in client.upload(image):
                    pass
        finally:
            await client.disconnect()

    with terminal(address) as port:
        asyncio.run(upload(port))


def _cobs_transport() -> Any:
    from smpclient.transport import serial

    return serial.SMPSerialRawTransport(framing=serial.Cobs())  # type: ignore[attr-defined,unused-ignore]


@contextmanager
def terminal(address: str) -> Iterator[str]:
    """A pseudo-terminal that leads to a TCP address."""
    line = socket.create_connection(parse_tcp(address))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours, theirs = pty.openpty()
    tty.setraw(theirs)

    def up() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(ours, 4096):
                line.sendall(data)

    def down() -> None:
        with contextlib.suppress(OSError):
            while data := line.recv(4096):
                os.write(ours, data)

    threads = [threading.Thread(target=work, daemon=True) for work in (up, down)]
    for thread in threads:
        thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        os.close(theirs)
        for thread in threads:
            thread.join(10)
        os.close(ours)
        line.close()


CONTESTANTS: dict[str, Callable[[str, bytes], None]] = {
    "edgeq": with_edgeq,
    "smpclient console": with_smpclient,
    "smpclient COBS": lambda address, image: with_smpclient(address, image, cobs=True),
}


def attempt(elf: Path, folder: Path, line: Line, image: bytes, upload: Callable[[str, bytes], None]) -> dict[str, Any]:
    """One upload to a board of its own: whether all arrived, in what time, and what went wrong."""
    with board(elf, folder) as address:
        host, port = parse_tcp(address)
        said, began = "", time.monotonic()
        with Proxy(host, port, up=line.faults(0), down=line.faults(1)) as proxy:
            try:
                upload(f"tcp://127.0.0.1:{proxy.port}", image)
            except (EdgeqError, Exception) as error:  # whatever ends a contestant's try is its result
                said = f"{type(error).__name__}: {error}"[:120]
            seconds = time.monotonic() - began
        with Device(TcpLink(address), address) as device:
            arrived = not device.missing([hashlib.sha256(image).hexdigest()])
    return {"ok": arrived and not said, "seconds": round(seconds, 1), "said": said, "seed": line.seed}


def measure(kib: int, seeds: int, rate: float, baud: int) -> dict[str, Any]:
    """Every contestant at every seed, and once on a clean line."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from goodput import build_firmware, make_payload

    logging.disable(logging.CRITICAL)  # smpclient logs the frames that it could not read
    found: dict[str, Any] = {name: {"clean": None, "noisy": []} for name in CONTESTANTS}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        elf, image = build_firmware(folder), make_payload(kib << 10, "lossy")
        for seed in range(seeds + 1):
            line = Line(rate if seed else 0.0, baud, seed)
            for name, upload in CONTESTANTS.items():
                done = attempt(elf, folder, line, image, upload)
                told = "arrived" if done["ok"] else f"failed ({done['said']})"
                print(f"seed {seed}, {name}: {told} in {done['seconds']} s", file=sys.stderr)
                if seed:
                    found[name]["noisy"].append(done)
                else:
                    found[name]["clean"] = done
    return {"kib": kib, "rate_per_byte": rate, "baud": baud, "found": found}


def main() -> int:
    """Print the counts; exit 1 where an upload of edgeq failed, or one failed on the clean line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kib", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--baud", type=int, default=921_600)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.kib, given.seeds, given.rate, given.baud)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        for name, item in found["found"].items():
            noisy = item["noisy"]
            print(f"{name}: {sum(done['ok'] for done in noisy)} of {len(noisy)} uploads arrived")
    ours = found["found"]["edgeq"]
    clean = all(item["clean"]["ok"] for item in found["found"].values())
    return int(not clean or not all(done["ok"] for done in ours["noisy"]))


if __name__ == "__main__":
    sys.exit(main())
