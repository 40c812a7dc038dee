"""How long a rollback takes: from the command's first byte until the previous release serves.

`python benchmarks/rollback.py [local:] [--rounds 10] [--json]`. Told are the device's part over an open link, without
and with a model that is loaded, and the whole command `edgeq rollback`, the start of Python included: by the clock, and
in seconds of the processor, which do not depend on what else the machine does. The bar, 2 s, is for the slowest over an
open link, and for the median of the command. `qemu:rpi4` and other addresses are told without a bar.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device

BAR_S = 2.0


def processor_s() -> float:
    """Of the children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Rollbacks to and fro between two releases."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from swap import make_bundles

    with tempfile.TemporaryDirectory() as work:
        if name == "local:":
            os.environ["EDGEQ_HOME"] = f"{work}/home"
        with open_device(name) as device:
            bundles, _ = make_bundles(device, Path(work))
            for bundle in bundles:
                deploy(bundle, device)
            sample = bytes(sum(tensor.size_bytes for tensor in device.interface().inputs))
            times = {
                "device_s": [_checked(device) for _ in range(rounds)],
                "loaded_s": [_loaded(device, sample) for _ in range(rounds)],
            }
            used = processor_s()
            times["command_s"] = [timed(lambda: _command(name)) for _ in range(rounds)]
            used = (processor_s() - used) / rounds
            device.reset()
    told = {key: {"median": round(statistics.median(v), 3), "longest": round(max(v), 3)} for key, v in times.items()}
    return {"device": name, "rounds": rounds, **told, "command_processor_s": round(used, 3), "bar_s": BAR_S}


def _command(name: str) -> None:
    command = [sys.executable, "-m", "edgeq", "rollback", name, "-q"]
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)


def _checked(device: Device) -> float:
    """One rollback, which must have happened."""
    before = device.installed().current
    seconds = timed(device.rollback)
    if device.installed().current == before:
        raise RuntimeError("a rollback changed nothing")
    return seconds


def _loaded(device: Device, sample: bytes) -> float:
    """One while an application uses the model, so that the other one is loaded before it serves."""
    device.invoke(sample)
    seconds = _checked(device)
    device.invoke(sample)
    return seconds


def main() -> int:
    """Print the times; exit 1 above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device", nargs="?", default="local:")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.device, given.rounds)
    print(json.dumps(found, indent=1) if given.json else f"{found}")
    slowest = max(found["device_s"]["longest"], found["loaded_s"]["longest"], found["command_s"]["median"])
    return int(given.device == "local:" and slowest > BAR_S)


if __name__ == "__main__":
    sys.exit(main())
