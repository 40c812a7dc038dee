"""Upload of one payload into a device: edgeq's transfer (verified by SHA-256 and fsynced there) against scp.

`python benchmarks/upload.py [qemu:rpi4 | loopback] [--megabytes 50] [--rounds 5] [--json]`; both in one run, in turns.
EDGEQ_SSH_PROGRAM= (empty) measures the way through paramiko, as on a machine without OpenSSH.
The bar is 0.7x of scp's throughput into the emulated Pi. `loopback` starts an sshd on this machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgeq.device.device import Device, silent
from edgeq.device.open import ssh_link
from edgeq.link.ssh import SshSession

BAR = 0.7


@dataclass(frozen=True)
class Place:
    """A device over SSH: what both contestants need to reach it."""

    name: str
    address: str
    identity: Path
    known_hosts: Path


@contextmanager
def place(name: str) -> Iterator[Place]:
    """The device called `name`."""
    if name.startswith("qemu:"):
        from edgeq import emulate

        found = emulate.start(name.partition(":")[2], progress=lambda text: print(text, file=sys.stderr))
        assert found.identity and found.known_hosts, f"{name} is not reached over SSH"
        yield Place(name, found.address, found.identity, found.known_hosts)
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "link"))
    from sshd import Sshd  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder, Sshd(Path(folder) / "sshd") as server:
        yield Place(name, server.address, server.identity, server.known_hosts)


def with_edgeq(device: Device, data: bytes) -> float:
    """Seconds for one blob, until the device has acknowledged it as verified and durable."""
    digest = hashlib.sha256(data).hexdigest()
    start = time.perf_counter()
    device.put(digest, data, 0, lambda _: None)
    return time.perf_counter() - start


def with_scp(at: Place, path: Path) -> float:
    """Seconds for scp alone; its connection is made beforehand and shared, as ours is."""
    url = urlsplit(at.address)
    control = path.parent / "control"
    options = ["-o", f"ControlPath={control}", "-o", f"UserKnownHostsFile={at.known_hosts}", "-o", "BatchMode=yes"]
    options += ["-i", str(at.identity), "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]
    there = f"{url.username}@{url.hostname}"
    master = ["ssh", *options, "-p", str(url.port), "-o", "ControlMaster=yes", "-o", "ControlPersist=60", "-fN", there]
    if not control.exists():
        subprocess.run(master, check=True, timeout=60, stdin=subprocess.DEVNULL)
    start = time.perf_counter()
    command = ["scp", "-q", *options, "-P", str(url.port), str(path), f"{there}:edgeq-benchmark.bin"]
    subprocess.run(command, check=True, timeout=600, stdin=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(name: str, megabytes: int, rounds: int) -> dict[str, object]:
    """Both in turns; throughputs are medians in MB/s."""
    ours, theirs, cold = [], [], (0.0, 0.0)
    with place(name) as at, tempfile.TemporaryDirectory() as folder:
        session = SshSession(at.address, identity=at.identity, known_hosts=at.known_hosts)
        link = ssh_link(at.address, silent, identity=at.identity, known_hosts=at.known_hosts)
        with session, Device(link, name) as device:
            for turn in range(rounds + 1):
                data = os.urandom(megabytes * 1_000_000)
                path = Path(folder) / "payload"
                path.write_bytes(data)
                seconds = with_edgeq(device, data), with_scp(at, path)
                print(f"edgeq {seconds[0]:.2f} s, scp {seconds[1]:.2f} s", file=sys.stderr)
                if turn == 0:  # the emulator translates both for the first time: told, but not among the medians
                    cold = seconds
                    continue
                ours.append(seconds[0])
                theirs.append(seconds[1])
                blob = Path(str(device.describe()["store"])) / "blobs" / hashlib.sha256(data).hexdigest()
                session.run(["rm", "-f", str(blob), "edgeq-benchmark.bin"])
        subprocess.run(["pkill", "-f", f"ControlPath={folder}"], check=False)
    speed = {"edgeq": megabytes / statistics.median(ours), "scp": megabytes / statistics.median(theirs)}
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    first = {"edgeq": megabytes / cold[0], "scp": megabytes / cold[1], "ratio": cold[1] / cold[0]}
    result = {"device": name, "megabytes": megabytes, "rounds": rounds, "mb_per_s": speed, "ratio": ratio, "bar": BAR}
    return {**result, "cold_first_turn": first}


def main() -> int:
    """Print the ratio; exit 1 below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device", nargs="?", default="qemu:rpi4")
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = measure(given.device, given.megabytes, given.rounds)
    print(json.dumps(result, indent=1) if given.json else f"{result}")
    return 0 if float(str(result["ratio"])) >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
