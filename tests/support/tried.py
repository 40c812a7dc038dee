"""A store with one release that serves, for tests of what is tried on top of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bundles import make_bundle, tiny
from inmemory import connect

from edgeq.agent.service import Service
from edgeq.bundle import Bundle
from edgeq.device.device import Device
from edgeq.runtime import available
from edgeq.transaction.confirm import ConfirmPolicy

WAIT_S = 20.0
PLAIN = ConfirmPolicy()
SAMPLE = b"".join(tiny()[2][0][0])


class Lab:
    """A store with one release that serves, and whatever is tried on top of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.service = Service(folder / "store")
        self.told = folder / "told"

    @property
    def store(self) -> Path:
        return self.service.store.root

    def device(self) -> Device:
        return connect(self.service)

    def bundle(self, policy: ConfirmPolicy = PLAIN, **manifest: Any) -> Bundle:
        self.count += 1
        return make_bundle(self.folder / f"b{self.count}", name=f"m{self.count}", confirm=policy.to_json(), **manifest)

    def install(self, bundle: Bundle) -> int:
        with self.device() as device:
            for name in (*bundle.files, "manifest.json"):
                data = bundle.path(name).read_bytes()
                digest = bundle.digest if name == "manifest.json" else bundle.files[name][0]
                device.put(digest, data, 0, lambda _: None)
            return device.stage(bundle.digest, [])

    def activate(self, bundle: Bundle) -> dict[str, Any]:
        n = self.install(bundle)
        with self.device() as device:
            return device.activate(n)

    def start_anew(self) -> None:
        """A new process takes the store over, as after a crash: the old one has no chance to say anything."""
        self.service.transaction.watcher.drop()
        self.service.transaction.serving.close()
        self.service = Service(self.folder / "store")

    def releases(self) -> dict[str, Any]:
        return self.service.releases()

    def entry(self, n: int) -> dict[str, Any]:
        return next(item for item in self.releases()["releases"] if item["n"] == n)

    def state(self, n: int) -> str:
        return str(self.entry(n)["state"])

    def ended(self, n: int) -> str:
        """The state of release `n` once it is no longer on trial."""
        until(lambda: self.state(n) != "trial")
        assert self.releases()["trial"] is None
        return self.state(n)

    def teller(self, name: str = "told") -> tuple[str, ...]:
        """A command that writes down for which release it runs."""
        code = "import os, sys; open(sys.argv[1], 'a').write(os.environ['EDGEQ_N'] + ' ')"
        return (sys.executable, "-c", code, str(self.folder / name))

    def was_told(self, name: str = "told") -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def serving(lab: Lab) -> int | None:
    """The release that answers, which is the one that the state file and the link say."""
    found: list[int | None] = []

    def agreed() -> bool:  # One follows from the other, and a thread may be at it.
        state = json.loads((lab.store / "state").read_text())
        told = state["current"] if state["trial"] is None else state["trial"]
        found[:] = [told, lab.service.store.current, lab.service.transaction.serving.number]
        return found[0] == found[1] == found[2]

    until(agreed)
    return found[0]


def golden() -> dict[str, Any]:
    return {"vectors": 4, "worst": 0.0, "tolerance": 1, "runtime": " ".join(available() or ())}
