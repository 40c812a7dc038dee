"""Swaps of the serving model under load: no request may fail.

`python benchmarks/swap.py [qemu:rpi4 | local:] [--swaps 20] [--requests 10000] [--apps 2] [--json]`. Applications on
the device predict without pause through `edgeq.client`, each in a process of its own, while this machine deploys one of
two bundles after the other. Every answer must be the right one. Exit code 1 where a request failed or one was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device

TESTS = Path(__file__).resolve().parents[1] / "tests"
MOST_S = 1800.0
"""Longer than the whole run takes on an emulated Pi."""

APPLICATION = """
import json, os, sys, time
store, folder, me = sys.argv[1:]
sys.path.insert(0, os.path.join(store, "agent.pyz"))
from edgeq.client import Model
given = json.load(open(os.path.join(folder, "given.json")))
done, failed, wrong, errors, times, seen = 0, 0, 0, {}, [], set()
stop, mine, ends = (os.path.join(folder, name) for name in ("stop", "count-" + me, "result-" + me))
with Model(store=store) as model:
    while not os.path.exists(stop):
        began = time.perf_counter()
        try:
            answer = model.predict(given["input"])
        except Exception as error:
            failed += 1
            errors[str(error)[:200]] = errors.get(str(error)[:200], 0) + 1
        else:
            wrong += max(abs(a - b) for a, b in zip(answer.scores, given["scores"])) > given["tolerance"]
            seen.add(answer.release)
        times.append(time.perf_counter() - began)
        done += 1
        if done % 20 == 0:
            with open(mine + ".part", "w") as file:
                file.write(str(done))
            os.replace(mine + ".part", mine)
first = times.pop(0)  # which loads the model
times.sort()
with open(ends, "w") as file:
    json.dump({"requests": done, "failed": failed, "wrong": wrong, "errors": errors, "releases": len(seen),
               "median_ms": 1e3 * times[len(times) // 2], "p99_ms": 1e3 * times[len(times) * 99 // 100],
               "longest_ms": 1e3 * times[-1], "first_ms": 1e3 * first}, file)
"""

Run = Callable[[list[str], bytes], bytes]
"""A program on the device: arguments and standard input, to standard output."""


@contextmanager
def place(name: str) -> Iterator[tuple[Device, Run]]:
    """The device, and how programs are run there."""
    if name == "local:":
        with tempfile.TemporaryDirectory() as home:
            os.environ["EDGEQ_HOME"] = home
            with open_device(name) as device:
                yield device, _here
                device.reset()
        return
    from edgeq import emulate
    from edgeq.link.ssh import SshSession

    board, _, instance = name.partition(":")[2].partition("#")
    found = emulate.start(board, instance=instance or None, progress=lambda text: print(text, file=sys.stderr))
    session = SshSession(found.address, identity=found.identity, known_hosts=found.known_hosts)
    with session, open_device(name) as device:

        def there(argv: list[str], data: bytes) -> bytes:
            done = session.run(argv, stdin=data, timeout_s=MOST_S)
            if done.code:
                raise RuntimeError(f"{argv[0]} ended with {done.code}: {done.stderr.decode(errors='replace')[-500:]}")
            return done.stdout

        yield device, there


def _here(argv: list[str], data: bytes) -> bytes:
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True, timeout=MOST_S).stdout


def make_bundles(device: Device, folder: Path) -> tuple[list[Bundle], dict[str, Any]]:
    """Two that differ in a member each, and an input with its answer."""
    sys.path.insert(0, str(TESTS / "support"))
    from bundles import make_bundle, tiny  # type: ignore[import-not-found]

    from edgeq.runtimes import wheels_for

    data, interface, (inputs, outputs) = tiny()
    arch = device.describe()["arch"]
    wheels = wheels_for("ai-edge-litert", "2.3.0", arch) if arch != platform.machine() else []
    bundles = [
        make_bundle(folder / name, name=name, arch=arch, model=data + name.encode().ljust(16, b"\0"), wheels=wheels)
        for name in ("one", "two")
    ]
    taken, given = interface.inputs[0], interface.outputs[0]
    numbers = [(byte - 256 if byte > 127 else byte) for byte in inputs[0][0]]
    scores = [(byte - 256 if byte > 127 else byte) for byte in outputs[0][0]]
    return bundles, {
        "input": [(number - taken.zero_point) * taken.scale for number in numbers],
        "scores": [(score - given.zero_point) * given.scale for score in scores],
        "tolerance": 1.5 * given.scale,  # one step, as the golden vectors
    }


def measure(name: str, swaps: int, requests: int, apps: int) -> dict[str, Any]:
    """So many swaps, and between any two of them as many requests as make `requests` together."""
    with place(name) as (device, run), tempfile.TemporaryDirectory() as work:
        bundles, given = make_bundles(device, Path(work))
        deploy(bundles[-1], device)
        store = str(device.describe()["store"])
        folder = run(["mktemp", "-d"], b"").decode().strip()
        run(["tee", f"{folder}/given.json"], json.dumps(given).encode())
        threads = [
            threading.Thread(target=run, args=(["python3", "-c", APPLICATION, store, folder, str(me)], b""))
            for me in range(apps)
        ]
        for thread in threads:
            thread.start()
        try:
            took = _swap(device, bundles, swaps, lambda: _count(run, folder, apps), requests)
        finally:
            run(["touch", f"{folder}/stop"], b"")
            for thread in threads:
                thread.join()
        found = [json.loads(run(["cat", f"{folder}/result-{me}"], b"")) for me in range(apps)]
        run(["rm", "-r", folder], b"")
    total = {key: sum(app[key] for app in found) for key in ("requests", "failed", "wrong")}
    swapped = {"device": name, "emulated": name.startswith("qemu:"), "swaps": swaps, "applications": apps, **total}
    return {**swapped, "longest_swap_s": round(max(took), 2), "each": found}


def _count(run: Run, folder: str, apps: int) -> int:
    names = " ".join(f"{folder}/count-{me}" for me in range(apps))
    return sum(
        int(line) for line in run(["sh", "-c", f"for f in {names}; do cat $f 2>/dev/null; echo; done"], b"").split()
    )


def _swap(device: Device, bundles: list[Bundle], swaps: int, count: Callable[[], int], requests: int) -> list[float]:
    """The seconds that each took."""
    took, deadline = [], time.monotonic() + MOST_S
    for number in range(swaps):
        while True:
            done = count()
            if done >= (number + 1) * requests // (swaps + 1) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        began = time.perf_counter()
        changed = deploy(bundles[number % 2], device).changed
        took.append(time.perf_counter() - began)
        if not changed:
            raise RuntimeError("a deploy changed nothing")
        print(f"swap {number + 1} of {swaps} in {took[-1]:.2f} s, after {done} requests", file=sys.stderr)
    while count() < requests and time.monotonic() < deadline:
        time.sleep(0.2)
    return took


def main() -> int:
    """Print the counts; exit 1 where a request failed, or fewer were made than asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device", nargs="?", default="qemu:rpi4")
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--apps", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.device, given.swaps, given.requests, given.apps)
    told = "{device}: {failed} of {requests} requests failed and {wrong} were wrong during {swaps} swaps"
    print(json.dumps(found, indent=1) if given.json else told.format(**found))
    return int(bool(found["failed"] or found["wrong"] or found["requests"] < given.requests))


if __name__ == "__main__":
    sys.exit(main())
