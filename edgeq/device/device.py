"""The device contract, written once over a link: everything that deploy, run, bench and rollback ask of a device."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgeq.device import benching
from edgeq.device.client import REQUEST_TIMEOUT_S, Client, device_error
from edgeq.errors import DeviceError, LinkError, LinkTimeout, ProtocolError
from edgeq.interface import Interface
from edgeq.link.base import Link
from edgeq.preprocess.raw import Raw
from edgeq.preprocess.wire import encode_raw
from edgeq.protocol import contract, smp
from edgeq.protocol.status import Status
from edgeq.run import Plan
from edgeq.runtimes.resolve import MICRO
from edgeq.transaction.releases import Installed, Progress, Release, Watched, read_installed, silent

FIRST_PAUSE_S = 0.01
JOB_SILENCE_S = 180.0
"""A job whose note and samples do not change for this long is given up."""
MAX_MEMBER_BYTES = 1 << 20
INVOKE_BYTES = 1 << 20
HOLD_TRY_S = 10.0
"""A device is asked again after that long, so that who waits can say for whom, and be stopped."""
INVOKE_TIMEOUT_S = 90.0
"""Longer than a device waits for its own model, so that the device is the one to say so."""

__all__ = ("Device", "Installed", "Progress", "Release", "Watched", "silent")


class Device:
    """A device behind an open link; a context manager that closes it."""

    def __init__(self, link: Link, address: str, reopen: Callable[[], Link] | None = None) -> None:
        """`reopen` opens the same device's link anew, for those who go on after it broke."""
        self.client, self.address = Client(link), address
        self.shows = f"'edgeq releases {address}'"
        self.ends = f"'edgeq confirm {address}', or 'edgeq confirm {address} --reject'"
        self._facts: dict[str, Any] | None = None
        self._reopen = reopen

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.link.close()

    @property
    def sent_bytes(self) -> int:
        """What went over the link, on all connections."""
        return self.client.sent_bytes

    @property
    def reopens(self) -> bool:
        """Whether `reconnect` can do anything."""
        return self._reopen is not None

    def reconnect(self) -> None:
        """Begin anew on a fresh link; `LinkError` where there is none. What was held before is not held any more."""
        if self._reopen is None:
            raise LinkError(f"{self.address} cannot be opened again from here.", "Run the command again.")
        sent = self.client.sent_bytes
        self.client.link.close()
        self.client = Client(self._reopen())
        self.client.sent_bytes = sent

    def describe(self) -> dict[str, Any]:
        """What the device says of itself (`firmware_stubs/PROTOCOL.md`, describe); asked once."""
        if self._facts is None:
            self._facts = self.client.request(contract.DESCRIBE, {})
        return self._facts

    def reset(self) -> None:
        """End the agent (it starts anew at the next attach) or reset the microcontroller."""
        self.client.request((smp.WRITE, smp.GROUP_OS, smp.OS_RESET), {})

    def releases(self) -> list[Release]:
        """Every release on the device, oldest first."""
        return list(self.installed().releases)

    def installed(self) -> Installed:
        """Every release on the device, which of them serves, and how far a trial is."""
        return read_installed(self.client.request(contract.RELEASES, {}))

    def hold(self, who: str, wait_s: float = 0.0, progress: Progress = silent) -> bool:
        """Be the only one that may change releases, until this connection ends; false where the device knows no such
        thing.

        `who` is what others are told meanwhile. `DeviceError` with status BUSY, which says who it is, where somebody
        else still holds the device after `wait_s`.
        """
        deadline, said = time.monotonic() + wait_s, ""
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                wait = min(left, HOLD_TRY_S)
                self.client.request(contract.HOLD, {"who": who, "wait_s": wait}, REQUEST_TIMEOUT_S + wait)
                return True
            except DeviceError as error:
                if error.status == Status.UNSUPPORTED:
                    return False
                if error.status != Status.BUSY or time.monotonic() >= deadline:
                    raise
                if error.message != said:
                    said = error.message
                    progress(f"waiting: {said}")
                # A device that refuses at once is not asked without a pause.
                time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))

    def missing(self, digests: Sequence[str]) -> dict[str, int]:
        """The blobs that the device lacks, with the offset from which it wants each."""
        answer = self.client.request(contract.BLOB_HAVE, {"sha": [bytes.fromhex(digest) for digest in digests]})
        return {item["sha"].hex(): int(item["off"]) for item in answer["missing"]}

    def put(self, digest: str, data: Any, offset: int, progress: Callable[[int], None]) -> None:
        """Send one blob, from `offset` on; the device checks its SHA-256."""
        self.client.upload(data, offset, contract.BLOB_PUT, {"sha": bytes.fromhex(digest)}, progress)

    def release(self) -> None:
        """Hold the device no longer."""
        self.client.request(contract.HOLD, {"who": ""})

    def stage(
        self,
        digest: str,
        wheels: Sequence[str],
        progress: Progress = silent,
        system: str | None = None,
        envelope: bytes | None = None,
    ) -> int:
        """Install the bundle whose manifest has this digest; the answer is its number.

        `system` names a folder of Python packages on the device that holds the runtime; "" means Python's own.
        `envelope` holds the manifest's signatures.
        """
        body = {"sha": bytes.fromhex(digest), "wheels": [bytes.fromhex(wheel) for wheel in wheels]}
        return int(self._job(contract.STAGE, {**body, **_only(system=system, envelope=envelope)}, progress)["n"])

    def selftest(self, n: int | None = None, progress: Progress = silent) -> dict[str, Any]:
        """Hash and run the golden vectors on the device: `vectors`, `worst`, `tolerance`, `runtime`."""
        return self._job(contract.SELFTEST, _only(n=n), progress)

    def activate(self, n: int, progress: Progress = silent) -> dict[str, Any]:
        """Let release `n` serve on trial; the device confirms it or goes back by itself. `state` of the answer is
        "trial" where it has not decided yet."""
        return self._job(contract.ACTIVATE, {"n": n}, progress)

    def confirm(self, n: int) -> None:
        """End the trial of release `n` as good."""
        self.client.request(contract.CONFIRM, {"n": n})

    def report(self, n: int, good: int = 0, bad: int = 0) -> str:
        """Tell of so many good and bad inferences of release `n`, which count while it is on trial; the answer is its
        state."""
        return str(self.client.request(contract.REPORT, {"n": n, "good": good, "bad": bad})["state"])

    def verify(self, progress: Progress = silent) -> dict[str, Any]:
        """Hash every release again and test the one that serves: `releases`, a list of `n`, `sound` and `why`, and what
        `selftest` answers."""
        return self._job(contract.VERIFY, {}, progress)

    def rollback(self, progress: Progress = silent) -> int:
        """Serve the previous release again, or end a trial as bad; the answer is the number of what serves."""
        answer = self._job(contract.ROLLBACK, {}, progress)
        if answer.get("on_activate"):
            progress(f"applications could not be told: {answer['on_activate']}")
        return int(answer["n"])

    def manifest(self, n: int | None = None) -> dict[str, Any]:
        """The manifest of release `n`, or of the one that serves, with its number as `n`."""
        number, data = self._member("manifest.json", n)
        return {**_document(data), "n": number}

    def interface(self, n: int | None = None) -> Interface:
        """The interface of release `n`, or of the one that serves."""
        return Interface.from_json(_document(self._member("interface.json", n)[1]))

    def _member(self, name: str, n: int | None) -> tuple[int, bytes]:
        data = b""
        while True:
            answer = self.client.request(contract.MEMBER, {"name": name, "off": len(data), **_only(n=n)})
            length, piece = int(answer["len"]), answer["data"]
            data += piece
            if length > MAX_MEMBER_BYTES or len(data) > length or (not piece and len(data) < length):
                raise ProtocolError(f"{self.address} sends a damaged {name}.", "Deploy the bundle again.")
            if len(data) == length:
                return int(answer["n"]), data

    def invoke(self, data: bytes, n: int | None = None) -> bytes:
        """Whole samples of raw input tensors, interface order, in; raw output tensors, likewise, out."""
        if "samples" not in self.describe():
            return self._invoke(data, n)
        most = self.describe()["samples"] * sum(tensor.size_bytes for tensor in self.interface(n).inputs)
        return b"".join(self._invoke(data[at : at + most], n) for at in range(0, len(data), most))

    def invoke_raw(self, raw: Raw, n: int | None = None) -> bytes:
        """One raw input in, which the release's own preprocessing takes; raw output tensors, interface order, out."""
        item = encode_raw(raw)
        return self._invoke(item.pop("data"), n, item)

    def heard_rate_hz(self, n: int | None = None) -> int:
        """The one rate that the release's own front end hears, that which [preprocess] begins with (a resample step
        behind it is the device's); 0 where it takes any. Our own front end hears one, on a microcontroller and on
        Linux."""
        if not self.describe().get("frontend") and self.manifest(n)["runtime"]["name"] != MICRO:
            return 0
        return int((self.interface(n).preprocess or {}).get("rate_hz", 0))

    def look(self, data: bytes, tensor: int, n: int | None = None) -> bytes:
        """One sample in, the values of a tensor of the model's main graph out; `DeviceError` where the device does not
        show them."""
        if not self.describe().get("looks"):
            raise DeviceError(
                f"{self.address} does not show what lies between a model's operators.",
                "A Linux device with the agent of this edgeq does.",
                Status.UNSUPPORTED,
            )
        return self._invoke(data, n, tensor=tensor)

    def require_steps(self) -> None:
        """`DeviceError` for a device that does not carry out an inference step by step."""
        if not self.describe().get("ops"):
            raise DeviceError(
                f"{self.address} does not show what lies between a model's operators.",
                "A microcontroller with firmware of this edgeq does; flash it ('edgeq firmware build').",
                Status.UNSUPPORTED,
            )

    def begin_steps(self, sample: bytes | Raw, n: int | None = None) -> None:
        """One sample in, and nothing done with it: `memory_after` carries the inference out."""
        item = encode_raw(sample) if isinstance(sample, Raw) else {"data": sample}
        self._send(item.pop("data"), n, raw=item or None, look=1)

    def memory_after(self, ops: int, at: int, size_bytes: int) -> bytes:
        """What lies in the arena when the first `ops` records of the inference that was begun are carried out; `ops`
        never falls."""
        data = b""
        while len(data) < size_bytes:
            most = size_bytes - len(data)
            body = {"off": at + len(data), "ops": ops, "most": most}
            piece = self.client.request(contract.OUTPUT, body, INVOKE_TIMEOUT_S)["data"]
            if not piece or len(piece) > most:
                raise ProtocolError(f"{self.address} sends a damaged piece of memory.", "Run the command again.")
            data += piece
        return data

    def _send(self, data: bytes, n: int | None, **more: Any) -> dict[str, Any]:
        run = secrets.randbelow(1 << 31)  # so that a chunk of one inference is never taken for one of another
        body = {**_only(n=n, **more), "run": run}
        return self.client.upload(data, 0, contract.INVOKE, body, lambda _: None, INVOKE_TIMEOUT_S)

    def _invoke(
        self, data: bytes, n: int | None, raw: dict[str, Any] | None = None, tensor: int | None = None
    ) -> bytes:
        answer = self._send(data, n, raw=raw, tensor=tensor)
        length, output = int(answer["out"]), b""
        while len(output) < length:
            piece = self.client.request(contract.OUTPUT, {"off": len(output)})["data"]
            if not piece or len(output) + len(piece) > length:
                raise ProtocolError(f"{self.address} sends a damaged output.", "Run the command again.")
            output += piece
        return output

    def bench(
        self,
        runs: int,
        warmup: int,
        threads: int,
        progress: Progress = silent,
        *,
        stopped: Callable[[], bool] = benching.never,
        watch: benching.Watch | None = None,
        every_s: float | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """The device times itself: `init_ns`, `warm_load_ns`, `first_ns`, `warmup_ns`, `invoke_ns`, `starts_ns` (of
        these, since the bench began), memory in bytes, `trace` (readings meanwhile), `clock`, `ended_by`, `host_s`, and
        readings `before` and `after`. `threads` 0 means what the bundle says; `more` as `edgeq.run.Plan` has it.

        A microcontroller has `arena_bytes`, `static_bytes`, `stack_bytes` for memory; one whose counter counts
        instructions has `..._instructions` for `..._ns`, and no times.
        """
        return benching.bench(self, Plan(runs, warmup, threads, **more), progress, stopped, watch, every_s)

    def profile(self, n: int | None = None, progress: Progress = silent) -> list[tuple[int, int]]:
        """For each op of one inference the number of its kernel, and its nanoseconds (instructions where `bench` tells
        instructions). Of a microcontroller; elsewhere `profile_ops`."""
        samples: list[int] = []
        self._job(contract.PROFILE, _only(n=n), progress, samples.extend)
        if len(samples) % 2:
            raise ProtocolError(f"{self.address} sends a damaged profile.", "Profile again.")
        return list(zip(samples[::2], samples[1::2], strict=True))

    def profile_ops(
        self, runs: int, threads: int = 0, delegate: str = "", progress: Progress = silent
    ) -> tuple[dict[str, Any], list[int]]:
        """What a runtime's own profiler tells of `runs` inferences on Linux: `detail` of the ops, deflated
        (`firmware_stubs/PROTOCOL.md`, profile), and the nanoseconds of each op and of a whole inference that was not
        profiled, run after run. `threads` 0 and an empty `delegate` mean what the bundle says; `DeviceError`
        where the runtime has none."""
        samples: list[int] = []
        body = {"runs": runs, "threads": threads, **({"delegate": delegate} if delegate else {})}
        return self._job(contract.PROFILE, body, progress, samples.extend), samples

    def sensors(self) -> dict[str, Any]:
        """Readings of this moment."""
        return self.client.request(contract.SENSORS, {})

    def _job(
        self,
        command: tuple[int, int, int],
        body: dict[str, Any],
        progress: Progress,
        samples: Callable[[Sequence[int]], None] = lambda _: None,
    ) -> dict[str, Any]:
        return self.job(command, body, progress, take=lambda state, *_: samples(state["samples"]))

    def job(
        self,
        command: tuple[int, int, int],
        body: dict[str, Any],
        progress: Progress,
        *,
        take: Callable[[dict[str, Any], float, float], None],
        more: Callable[[], dict[str, Any]] = dict,
        ring: int = 0,
    ) -> dict[str, Any]:
        """Start a job and wait for its result. `take` gets every state that was told, with the host's clock before and
        after the question; `more` gives keys to ask with. A device that waits for the host where `ring` samples were
        not fetched is asked again soon when there were many."""
        job, said = self.client.request(command, body)["job"], ""
        for state, before, after in self._polls(job, more, ring):
            take(state, before, after)
            if state["state"] == "done":
                result: dict[str, Any] = state["result"]
                return result
            if state["state"] == "failed":
                raise device_error(self.address, state.get("status"), state.get("reason"))
            if state["note"] != said:
                said = state["note"]
                progress(said)
        raise AssertionError("polling ends only with a result")

    def _polls(
        self, job: int, more: Callable[[], dict[str, Any]], ring: int
    ) -> Iterator[tuple[dict[str, Any], float, float]]:
        seen, last_note, changed, pause = 0, "", time.monotonic(), FIRST_PAUSE_S
        while True:
            before = time.monotonic()
            state = self.client.request(contract.JOB, {"job": job, "from": seen, **more()})
            seen += len(state["samples"])
            if state["note"] != last_note or state["samples"]:
                last_note, changed = state["note"], time.monotonic()
            yield state, before, time.monotonic()
            if time.monotonic() - changed > JOB_SILENCE_S:
                raise LinkTimeout(
                    f"{self.address} has made no progress for {JOB_SILENCE_S:g} s ({last_note or 'starting'}).",
                    "Run the command again; 'edgeq releases' shows what serves now.",
                )
            if 0 < ring < 2 * len(state["samples"]):
                pause = FIRST_PAUSE_S
            elif not state["samples"]:
                time.sleep(pause)
                # Polling costs the device time, so it becomes rarer as a job takes longer.
                pause = min(pause * 1.5, 0.5)


def _only(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ProtocolError("The device sends a damaged document.", "Deploy the bundle again.") from error
    if not isinstance(document, dict):
        raise ProtocolError("The device sends a damaged document.", "Deploy the bundle again.")
    return document
