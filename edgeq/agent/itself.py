"""The device as it sees itself: its own daemon, asked as a host asks it, with the errors of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

from edgeq.agent.applied import SHOWS
from edgeq.agent.errors import Refused
from edgeq.agent.here import REQUEST_TIMEOUT_S, Gone, Here
from edgeq.errors import DeviceError, LinkError
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.transaction.releases import Installed, Progress, read_installed, silent

ADDRESS = "this device"
_HINTS = {
    Status.NO_SPACE: "Free some space on the device, then apply it again.",
    Status.DIGEST: "Apply it again: what was damaged is taken anew.",
    Status.SIGNATURE: "'edgeq sign' signs the bundle with a key that the device knows; then pack it again.",
    Status.MISMATCH: "Build and pack for this device: 'edgeq targets' lists the profiles.",
    Status.NOT_FOUND: "Pack it with its runtime: 'edgeq pack BUNDLE'.",
    Status.SELFTEST: "This device computes something else than the host that built it: build it again.",
    Status.BUSY: "Another command is at work on this device; wait for it, or give --wait SECONDS.",
    Status.IO: "Check the device's storage; XDG_DATA_HOME may name a folder that can be written.",
    Status.TIMEOUT: "The model takes too long for this device, or hangs.",
    Status.NEWER: "Apply it with an agent of the version that wrote it.",
}


def no(refused: Refused) -> DeviceError:
    """What a refusal means to a person."""
    hint = _HINTS.get(refused.status, f"{SHOWS} shows what serves.")
    return DeviceError(f"{ADDRESS} says no: {refused.reason.rstrip('.')}.", hint, refused.status)


def gone(error: Gone) -> LinkError:
    """What a daemon that is gone means to a person."""
    said = str(error)
    return LinkError(f"{said[:1].upper()}{said[1:]}.", "Run it again: it goes on where it can.")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise no(refused) from refused
    except Gone as error:
        raise gone(error) from error


class Itself:
    """The device that keeps the store `root`, as `edgeq.transaction.releases.Device` has it; a context manager.

    Its daemon is started where none runs.
    """

    address, shows, ends, reopens = ADDRESS, SHOWS, "'edgeq-agent rollback'", True

    def __init__(self, root: Path) -> None:
        self.root = root
        self._here = self._open()
        self._sent_bytes = 0

    def __enter__(self) -> Itself:
        return self

    def __exit__(self, *_: object) -> None:
        self._here.close()

    def _open(self) -> Here:
        with _translated():
            try:
                return Here(self.root)
            except OSError as error:
                raise DeviceError(
                    f"The store {self.root} cannot be used: {error.filename or self.root}: {error.strerror or error}.",
                    "Give a folder on a disk that can be written: apply FILE.eqb FOLDER.",
                    Status.IO,
                ) from error

    @property
    def sent_bytes(self) -> int:
        """What the daemon was given of blobs, on all connections."""
        return self._sent_bytes + self._here.sent_bytes

    def reconnect(self) -> None:
        """Begin anew with the next daemon where this one has ended."""
        self._sent_bytes = self.sent_bytes
        self._here.close()
        self._here.sent_bytes = 0
        self._here = self._open()

    def _ask(self, command: tuple[int, int, int], timeout_s: float = REQUEST_TIMEOUT_S, **body: Any) -> dict[str, Any]:
        with _translated():
            return self._here.ask(command, body, timeout_s)

    def _job(self, command: tuple[int, int, int], progress: Progress, **body: Any) -> dict[str, Any]:
        with _translated():
            return self._here.job(command, {name: value for name, value in body.items() if value is not None}, progress)

    def describe(self) -> dict[str, Any]:
        """What the daemon says of itself and the machine, now."""
        return self._ask(contract.DESCRIBE)

    @property
    def free_bytes(self) -> int:
        """Free space for the store."""
        return int(self.describe()["free_bytes"])

    def installed(self) -> Installed:
        """Every release, which of them serves, and how far a trial is."""
        return read_installed(self._ask(contract.RELEASES))

    def member(self, name: str) -> bytes:
        """A document of the release that serves."""
        data = b""
        while True:
            answer = self._ask(contract.MEMBER, name=name, off=len(data))
            data += bytes(answer["data"])
            if len(data) >= answer["len"] or not answer["data"]:
                return data

    def hold(self, who: str, wait_s: float = 0.0, _progress: Progress = silent) -> bool:
        """Be the only one that changes the device; false where an older agent knows no such thing."""
        try:
            self._ask(contract.HOLD, REQUEST_TIMEOUT_S + wait_s, who=who, wait_s=wait_s)
        except DeviceError as error:
            if error.status != Status.UNSUPPORTED:
                raise
            return False
        return True

    def release(self) -> None:
        """Hold the device no longer."""
        self._ask(contract.HOLD, who="", wait_s=0.0)

    def missing(self, digests: Sequence[str]) -> dict[str, int]:
        """The blobs that the store lacks, with the offset from which it wants each."""
        answer = self._ask(contract.BLOB_HAVE, sha=[bytes.fromhex(sha) for sha in digests])
        return {item["sha"].hex(): int(item["off"]) for item in answer["missing"]}

    def put(self, digest: str, size: int, offset: int, read: Callable[[int, int], bytes]) -> None:
        """Give one blob, from `offset` on."""
        with _translated():
            for _ in self._here.put(digest, size, offset, read):
                pass

    def stage(
        self,
        digest: str,
        wheels: Sequence[str],
        progress: Progress = silent,
        system: str | None = None,
        envelope: bytes | None = None,
    ) -> int:
        """As `edgeq.device.device.Device` has it."""
        given = {"wheels": [bytes.fromhex(sha) for sha in wheels], "system": system, "envelope": envelope}
        return int(self._job(contract.STAGE, progress, sha=bytes.fromhex(digest), **given)["n"])

    def selftest(self, n: int | None = None, progress: Progress = silent) -> dict[str, Any]:
        """Hash and run the golden vectors."""
        return self._job(contract.SELFTEST, progress, n=n)

    def activate(self, n: int, progress: Progress = silent) -> dict[str, Any]:
        """Let release `n` serve on trial."""
        return self._job(contract.ACTIVATE, progress, n=n)

    def confirm(self, n: int) -> None:
        """End the trial of release `n` as good."""
        self._ask(contract.CONFIRM, n=n)

    def rollback(self, progress: Progress = silent) -> int:
        """Serve the previous release again; the answer is the number of what serves."""
        answer = self._job(contract.ROLLBACK, progress)
        if answer.get("on_activate"):
            progress(f"applications could not be told: {answer['on_activate']}")
        return int(answer["n"])
