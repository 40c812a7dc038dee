"""What every row of the fault table works with: bundles, stores at each stage of a deploy, and the four expectations.

Nothing that was acknowledged is lost; a release serves; the truth is told; the same command again converges.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bundles import make_bundle, tiny
from once import VARIABLE, once

from edgeq.agent import daemon
from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.bundle import Bundle, read_bundle
from edgeq.deploy import deploy
from edgeq.device.agentfile import agent_path
from edgeq.device.device import Device
from edgeq.errors import DeviceError, LinkError, LinkTimeout
from edgeq.link.memory import MemoryLink
from edgeq.protocol.status import Status

PATIENCE_S = 60.0
"""Longer than anything takes here on a machine that does much else."""


MEMORY_BYTES = 1 << 30
"""More than the stores of a whole table take."""
NOTHING = "nothing"
"""What serves before the first deploy."""


class Skip(Exception):
    """This machine cannot do what a row needs; the reason."""


@dataclass
class Acked:
    """What a device has answered yes to, and what could serve meanwhile."""

    blobs: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    serving: str | None = None


def _in_memory() -> Path | None:
    """Where a store costs no time of the disk, if there is enough of it."""
    folder = Path("/dev/shm")
    return folder if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > MEMORY_BYTES else None


class Lab:
    """A folder for the cases of one process. Stores are made once at each stage and copied for each case."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.folder = Path(tempfile.mkdtemp(prefix="edgeq-faults-", dir=_in_memory()))
        self._count = 0

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def good(self) -> Bundle:
        """What serves before the fault."""
        return self.bundle("good")

    @cached_property
    def other(self) -> Bundle:
        """What is deployed while the fault happens."""
        return self.bundle("other")

    def bundle(self, name: str) -> Bundle:
        folder = self.folder / "bundles" / name
        if folder.exists():
            return read_bundle(folder)
        model = tiny()[0] + name.encode().ljust(16, b"\0")  # each has a model file of its own
        return make_bundle(folder, name=name, model=model)

    def new(self) -> Path:
        """A folder of the case's own."""
        self._count += 1
        folder = self.folder / f"case-{self._count}"
        folder.mkdir()
        return folder

    def store(self, stage: str) -> Path:
        """A copy of the store as it is at this stage; `STAGES` says which there are."""
        snapshot = self.folder / "stages" / stage
        if not snapshot.exists():
            before, step = STAGES[stage]
            snapshot.mkdir(parents=True)
            if before:
                copy(self.store(before), snapshot)
            step(self, snapshot)
        return copy(snapshot, self.new() / "store")


def made(lab: Lab, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that takes seconds to make: one for all tests of a run of pytest, else one for a lab."""
    if VARIABLE in os.environ:
        return once(name, make)
    folder = lab.folder / name
    if not folder.exists():
        folder.mkdir()
        make(folder)
    return folder


def copy(source: Path, target: Path) -> Path:
    """A store with its hard links."""
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
    return target


@contextmanager
def in_process(root: Path) -> Iterator[Device]:
    """The store's agent in this very process, with whatever a crash left done first."""
    service = Service(root)
    try:
        idle(service)
        connection = Connection(service)
        yield Device(MemoryLink(connection.feed), "memory:", lambda: MemoryLink(Connection(service).feed))
        connection.close()
    finally:
        idle(service)
        service.close()


def idle(service: Service) -> None:
    """Wait until no job runs and no trial is on."""
    deadline = time.monotonic() + PATIENCE_S
    while service.busy and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not service.busy, "the agent's work does not end"


def _empty(lab: Lab, root: Path) -> None:
    """A device on which nothing was ever installed."""


def _good(lab: Lab, root: Path) -> None:
    with in_process(root) as device:
        deploy(lab.good, device)


def _put(lab: Lab, root: Path) -> None:
    with in_process(root) as device:
        put_all(device, lab.other)


def _staged(lab: Lab, root: Path) -> None:
    with in_process(root) as device:
        device.stage(lab.other.digest, [])


def _two(lab: Lab, root: Path) -> None:
    with in_process(root) as device:
        device.activate(2)


def _trial(lab: Lab, root: Path) -> None:
    """As a kill in the middle of a trial leaves it."""
    state = json.loads((root / "state").read_bytes())
    state["trial"] = 2
    state["releases"]["2"]["state"] = "trial"
    (root / "state").write_text(json.dumps(state))


def _full(lab: Lab, root: Path) -> None:
    """A store that forgets a release at the next stage: it keeps one, and what is in use."""
    with in_process(root) as device:
        third = lab.bundle("third")
        put_all(device, third)
        device.stage(third.digest, [])
        put_all(device, lab.other)
    (root / "settings.json").write_text('{"keep": 1}')


STAGES: dict[str, tuple[str, Callable[[Lab, Path], None]]] = {
    "empty": ("", _empty),
    "serving": ("", _good),
    "put": ("serving", _put),
    "staged": ("put", _staged),
    "two": ("staged", _two),
    "trial": ("staged", _trial),
    "full": ("serving", _full),
}


def files_of(bundle: Bundle) -> dict[str, bytes]:
    """The blobs of a bundle by digest."""
    found = {digest: bundle.path(name).read_bytes() for name, (digest, _) in bundle.files.items()}
    return {**found, bundle.digest: (bundle.folder / "manifest.json").read_bytes()}


def put_all(device: Device, bundle: Bundle, done: Callable[[str], None] = lambda _: None) -> None:
    """Send what the device lacks; `done` gets the digest of each that was acknowledged."""
    blobs = files_of(bundle)
    for digest, offset in device.missing(list(blobs)).items():
        device.put(digest, blobs[digest], offset, lambda _: None)
        done(digest)


def converges(device: Device, bundle: Bundle) -> None:
    """The same command again ends with the bundle serving and everything sound. While the device is still at what was
    asked of it before, it says so, and the command is given once more."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            deploy(bundle, device, wait_s=1.0)
            break
        except DeviceError as error:
            again = error.status in (Status.BUSY, Status.DIGEST) or "is on trial" in error.message
            if not again or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    found = device.installed()
    assert found.serving and found.serving.digest == bundle.digest, f"{found.serving} serves after a second try"
    assert found.serving.state == "confirmed"
    damaged = [item for item in device.verify()["releases"] if not item["sound"]]
    assert not damaged, damaged


def expect(root: Path, lab: Lab, acked: Acked, may_serve: tuple[str, ...] = (), then: Bundle | None = None) -> None:
    """The expectations, of a store whose agent is dead: with the first start after it."""
    wanted = may_serve or (lab.good.digest, lab.other.digest)
    with in_process(root) as device:
        found = device.installed()
        serves = found.serving.digest if found.serving else NOTHING
        assert serves in ((acked.serving,) if acked.serving else wanted), f"{found.serving or 'nothing'} serves"
        assert found.serving is None or found.serving.state == "confirmed", found.serving
        listed = {release.digest for release in found.releases}
        assert set(acked.staged) <= listed, "a release that was acknowledged is gone"
        gone = set(device.missing(acked.blobs)) if acked.blobs else set()
        assert not gone, f"a blob that was acknowledged is gone: {gone}"
        if found.serving:
            assert (root / "current").resolve() == (root / "releases" / str(found.serving.n)).resolve()
        damaged = [item for item in device.verify()["releases"] if not item["sound"]]
        assert not damaged, damaged
        converges(device, then or lab.other)
    assert not list((root / "releases").glob("*.part")), "debris is left"


def serving_on_disk(root: Path) -> tuple[int | None, bool]:
    """What the state file says: which release serves, and whether on trial."""
    state = json.loads((root / "state").read_bytes())
    return (state["current"], False) if state["trial"] is None else (state["trial"], True)


def tells_the_truth(said: str, root: Path) -> None:
    """An answer that says what serves says what the state file says. A trial may have ended since then."""
    found = re.search(r"\brelease (\d+) serves( on trial)?", said)
    if found is None:
        return
    n, on_trial = int(found[1]), bool(found[2])
    if on_trial:
        state = json.loads((root / "state").read_bytes())["releases"][str(n)]["state"]
        assert state in ("trial", "bad", "confirmed", "staged"), f"it says {said!r}, and release {n} is {state}"
    else:
        assert (n, False) == serving_on_disk(root), f"it says {said!r}, and {serving_on_disk(root)} is on the disk"


class PipeLink:
    """A link to the daemon of a store, which reads from and writes to two pipes of this process."""

    lossy = False

    def __init__(self, root: Path, name: str = "local:") -> None:
        self.name = name
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        self._channel = daemon.join(root, (theirs_in, theirs_out))
        for fd in (theirs_in, theirs_out):
            os.close(fd)
        self._closed = False

    def send(self, data: bytes, timeout_s: float) -> None:
        view = memoryview(data)
        while view:
            if not select.select([], [self._to], [], timeout_s)[1]:
                raise LinkTimeout(f"{self.name} took nothing.", "")
            try:
                view = view[os.write(self._to, view) :]
            except OSError as error:
                raise LinkError(f"{self.name} is gone: {error}.", "Run the command again.") from error

    def receive(self, timeout_s: float) -> bytes:
        if not select.select([self._from], [], [], max(0.0, timeout_s))[0]:
            raise LinkTimeout(f"{self.name} said nothing within {timeout_s:g} s.", "")
        data = os.read(self._from, 1 << 18)
        if not data:
            raise LinkError(f"{self.name} is gone.", "Run the command again.")
        return data

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            for fd in (self._to, self._from):
                os.close(fd)
            self._channel.close()


class Daemon:
    """The agent's real daemon over one store, as a child of this process; `before` are words in front of its command,
    such as strace's."""

    def __init__(self, root: Path, before: tuple[str, ...] = ()) -> None:
        self.root = root
        with (root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, agent_path(), "serve", root],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ready(self) -> bool:
        """Whether it answers in the end; false where it has ended."""
        deadline = time.monotonic() + PATIENCE_S
        address = Path(daemon._address(self.root))
        while self.process.poll() is None and time.monotonic() < deadline:
            if address.is_socket():
                return True
            time.sleep(0.005)
        return False

    def end(self) -> None:
        """Kill it and everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        Path(daemon._address(self.root)).unlink(missing_ok=True)
