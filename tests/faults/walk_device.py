"""What the random walk walks on: one store, its agent in this process, which can be killed before any operation on the
store's files, and links to it that can be cut.

The model runs in this process too, by the code of the agent's worker: what a process of its own is good for is the
business of other rows, and the start of one would take most of the walk's time.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bundles import make_bundle, tiny
from fault_lab import Lab
from mcu import make_image

from edgeq.agent import golden
from edgeq.agent.connection import Connection
from edgeq.agent.errors import Refused
from edgeq.agent.micro import IMAGE, LIBRARY, NAME
from edgeq.agent.service import Service
from edgeq.agent.worker import _Worker
from edgeq.bundle import Bundle, read_bundle, write_bundle
from edgeq.device.device import Device
from edgeq.errors import LinkError
from edgeq.link.memory import MemoryLink
from edgeq.micro.linux import linux_library
from edgeq.protocol import cbor
from edgeq.protocol.status import Status
from edgeq.quantize.golden import make_golden
from edgeq.transaction.confirm import ConfirmPolicy

PATIENCE_S = 15.0
GOOD = 2
"""Good inferences that the trial of bundle `counted` needs."""
POLICIES = {
    "first": ConfirmPolicy(),
    "second": ConfirmPolicy(),
    "counted": ConfirmPolicy(good=GOOD),
    "manual": ConfirmPolicy(manual=True),
    "wrong": ConfirmPolicy(),
}
WRONG = "wrong"
"""The bundle whose golden vectors are not met."""
_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_EVENTS = ("os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")


class Killed(BaseException):
    """The agent is dead: no code of its own may catch this."""


class Fuse:
    """Kills whoever touches the store's files: from the `after`-th operation on that changes one, and for good."""

    _current: Fuse | None = None
    _hooked = False

    def __init__(self, root: Path, after: int) -> None:
        self._root, self._left, self.blown = os.fspath(root), after, False
        if not Fuse._hooked:
            Fuse._hooked = True
            sys.addaudithook(Fuse._hook)
        Fuse._current = self

    def remove(self) -> None:
        Fuse._current = None

    @staticmethod
    def _hook(event: str, arguments: tuple[Any, ...]) -> None:
        fuse = Fuse._current
        if fuse is None or not (event in _EVENTS or (event == "open" and (arguments[2] or 0) & _CHANGING)):
            return
        path = next((item for item in reversed(arguments[:2]) if isinstance(item, (str, os.PathLike))), "")
        if not os.fspath(path).startswith(fuse._root):
            return
        fuse._left -= 1
        if fuse._left < 0 or fuse.blown:
            fuse.blown = True
            raise Killed


class Near:
    """`edgeq.agent.process.ModelProcess` without the process."""

    def __init__(self, model: Path, *, runtime: Path | None, threads: int, kernels: str, python: str = "") -> None:
        del runtime, python
        self.alive, self.pid, self._worker = True, 0, _Worker()
        self.loaded = self.ask(0.0, do="load", path=str(model), threads=threads, kernels=kernels)

    def ask(self, timeout_s: float, **request: Any) -> dict[str, Any]:
        return next(self.stream(timeout_s, **request))

    def stream(self, _timeout_s: float, **request: Any) -> Iterator[dict[str, Any]]:
        try:
            for answer in getattr(self._worker, f"do_{request.pop('do')}")(**request):
                answer.pop("more", None)
                yield answer
        except Refused:
            raise
        except Exception as error:
            raise Refused(Status.RUNTIME, f"{type(error).__name__}: {error}") from error

    def end(self) -> None:
        self.alive = False

    close = end

    def __enter__(self) -> Near:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def models_nearby() -> Iterator[None]:
    """Models run in this process meanwhile, and threads of an agent that is killed end in silence."""
    real, golden.ModelProcess = golden.ModelProcess, Near  # type: ignore[misc,assignment]
    hook = threading.excepthook
    threading.excepthook = lambda said: None if said.exc_type is Killed else hook(said)
    try:
        yield
    finally:
        golden.ModelProcess, threading.excepthook = real, hook  # type: ignore[misc]


def bundles(lab: Lab) -> dict[str, Bundle]:
    """Those of `POLICIES`, made once: they share their library and interface, and nothing else."""
    return {name: _bundle(lab.folder / "walk" / name, policy) for name, policy in POLICIES.items()}


def _bundle(folder: Path, policy: ConfirmPolicy) -> Bundle:
    if folder.exists():
        return read_bundle(folder)
    name = folder.name
    plain = make_bundle(folder.with_name(name + "-plain"), name=name, confirm=policy.to_json(), tolerance=0)
    data, _, (inputs, _) = tiny()
    found = make_golden(data, inputs, NAME)
    outputs = [[bytes(len(item)) for item in row] for row in found.outputs] if name == WRONG else found.outputs
    members = {
        "interface.json": plain.path("interface.json").read_bytes(),
        "model.tflite": data + name.encode().ljust(16, b"\0"),
        "golden.cbor": cbor.dumps({"inputs": found.inputs, "outputs": outputs, "name": name}),
        IMAGE: make_image(name=name),
        LIBRARY: linux_library(platform.machine()).read_bytes(),
    }
    manifest = {
        **plain.manifest,
        "golden": {"vectors": len(inputs), "kernels": NAME, "tolerance": 0, "runtime": f"{NAME} 1"},
        "runtime": {"name": NAME, "version": "1", "threads": 1, "wheels": []},
    }
    return write_bundle(folder, members, manifest)


class Cut(MemoryLink):
    """A link to the agent that ends with the agent, and where it is cut."""

    def __init__(self, agent: Agent, close_after: int | None = None) -> None:
        self._agent, self._service = agent, agent.service
        self.connection = Connection(agent.service)
        super().__init__(self._feed, "memory:", close_after)

    def _feed(self, data: bytes) -> bytes:
        try:
            return self.connection.feed(data)
        except Killed:
            return b""

    def _alive(self) -> None:
        if self._agent.dead or self._agent.service is not self._service:
            raise LinkError(f"{self.name} is gone.", "Run the command again.")

    def send(self, data: bytes, timeout_s: float) -> None:
        self._alive()
        super().send(data, timeout_s)
        self._alive()

    def receive(self, timeout_s: float) -> bytes:
        self._alive()
        return super().receive(timeout_s)

    def close(self) -> None:
        super().close()
        self.connection.close()


class Agent:
    """The agent of one store, through kills and starts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fuse: Fuse | None = None
        self.service = Service(root)

    @property
    def dead(self) -> bool:
        return self.fuse is not None and self.fuse.blown

    @contextmanager
    def device(self, close_after: int | None = None, *, again: bool = False) -> Iterator[Device]:
        """A host's connection. `again` lets the host open another one after it was cut."""
        with Device(Cut(self, close_after), "memory:", (lambda: Cut(self)) if again else None) as device:
            yield device

    def arm(self, after: int) -> None:
        """It dies before the `after`-th operation from now on."""
        self.fuse = Fuse(self.root, after)

    def idle(self) -> None:
        """Wait for the job that runs, and for a trial that has all it needs or has failed."""
        watcher = self.service.transaction.watcher

        def at_work() -> bool:
            watch = watcher._watch
            ends = watch is not None and watch.began_s is not None
            over = ends and watch is not None and (bool(watch.failed) or not watch.waits(time.monotonic()))
            return not self.dead and (self.service.jobs.busy or over)

        until(lambda: not at_work(), "the agent's work does not end")
        until(lambda: not self.service.jobs.busy, "a job does not end")

    def start_anew(self, *, politely: bool = False) -> None:
        """A new process takes the store over; the old one may say that it ends, or was killed."""
        self.idle()
        old = self.service
        if politely:
            old.close()
        elif self.fuse is None or not self.fuse.blown:
            self.arm(0)
            assert self.fuse
            self.fuse.blown = True
        old.transaction.watcher.drop()
        old.transaction.serving.close()
        old.store.blobs.close_part()
        if self.fuse:
            self.fuse.remove()
            self.fuse = None
        self.service = Service(self.root)
        self.idle()

    def close(self) -> None:
        if self.fuse:
            self.fuse.remove()
        self.idle()
        self.service.close()


def until(true: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.002)


def state_of(root: Path) -> dict[str, Any]:
    """The state file, as it is."""
    try:
        found: dict[str, Any] = json.loads((root / "state").read_bytes())
    except FileNotFoundError:
        return {"current": None, "previous": None, "trial": None, "releases": {}}
    return found


def sound(root: Path, n: int, digest: str) -> bool:
    """Whether a release is what was installed: hashed here, by nothing of the agent's."""
    folder = root / "releases" / str(n)
    manifest = (folder / "manifest.json").read_bytes()
    if hashlib.sha256(manifest).hexdigest() != digest:
        return False
    files = json.loads(manifest)["files"]
    return all(_sha(folder / name) == entry["sha256"] for name, entry in files.items())


def damaged_blobs(root: Path) -> set[str]:
    """The blobs that are not what their names say."""
    return {path.name for path in (root / "blobs").iterdir() if _sha(path) != path.name}


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
