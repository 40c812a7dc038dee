"""The device contract on Linux: one handler per command, over the store, the transaction and the model's process."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from edgeq.agent import benching, profiling
from edgeq.agent.errors import Refused
from edgeq.agent.facts import describe
from edgeq.agent.golden import selftest
from edgeq.agent.jobs import Job, Jobs
from edgeq.agent.lease import Lease
from edgeq.agent.micro import IMAGE
from edgeq.agent.policy import policy_of
from edgeq.agent.sensors import sensors
from edgeq.agent.store import LONGEST_TEXT, Store
from edgeq.agent.transaction import Transaction
from edgeq.agent.trust import Trust
from edgeq.protocol.status import Status

INVOKE_TIMEOUT_S = 60.0
MAX_INVOKE_BYTES = 16 << 20
MAX_ENVELOPE_BYTES = 1 << 20
PIECE_BYTES = 48 << 10
LONGEST_REASON = 200


class Service:
    """The part of the agent that all connections share."""

    def __init__(self, root: Path, agent_sha: str = "") -> None:
        self.store = Store(root)
        self.jobs = Jobs()
        self.lease = Lease()
        self.agent_sha = agent_sha
        self.store.recover()
        self.transaction = Transaction(self.store)
        if self.transaction.start():
            self.jobs.start(self._resume)

    def _resume(self, job: Job) -> dict[str, Any]:
        job.note("a trial goes on after a start of the agent")
        try:
            return self.transaction.resume(job.note)
        except Refused as refused:
            # Nobody asked for this job, so nobody fetches what it says.
            print(f"after the start: {refused.reason}", file=sys.stderr, flush=True)
            raise

    @property
    def busy(self) -> bool:
        """Whether the agent must stay, though nobody is there."""
        return self.jobs.busy or self.store.state.trial is not None

    def describe(self) -> dict[str, Any]:
        trust = Trust(self.store.root)
        own = {"signed": trust.required, "trust_version": trust.version, "keep": self.store.keep, "looks": 1}
        return {**describe(self.store.root, self.agent_sha), **own}

    def sensors(self) -> dict[str, Any]:
        return sensors()

    def releases(self) -> dict[str, Any]:
        state = self.store.state
        listed = [
            {
                **{"n": n, "sha": bytes.fromhex(entry["sha"]), "state": entry["state"]},
                **{"name": self._name(n), **({"why": entry["why"]} if "why" in entry else {})},
            }
            for n, entry in sorted(state.releases.items())
        ]
        answer = {"releases": listed, "current": state.current, "previous": state.previous, "trial": state.trial}
        answer["answers"] = self.transaction.serving.number
        return {**answer, **self._watch(state.trial)}

    def _watch(self, trial: int | None) -> dict[str, Any]:
        """How a trial stands; before its window begins it waits for its self-test."""
        if trial is None:
            return {}
        seen = self.transaction.watcher.progress()
        if seen is None:
            try:
                left_s = policy_of(self.store.release_manifest(trial)).window_s
            except Refused:
                left_s = 0.0
            seen = {"good": 0, "bad": 0, "left_s": left_s, "waits": "for its self-test"}
        return {"watch": {**seen, "starts": max(0, self.store.state.starts)}}

    def _name(self, n: int) -> str:
        try:
            name = str(json.loads((self.store.release(n) / "manifest.json").read_bytes())["name"])
            return name[:LONGEST_TEXT].encode("utf-8", "replace").decode()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "(damaged)"

    def member(self, n: int | None, name: str, offset: int) -> dict[str, Any]:
        """A piece of `manifest.json` or `interface.json` of a release."""
        if name not in ("manifest.json", "interface.json"):
            raise Refused(Status.NOT_FOUND, "only manifest.json and interface.json are handed out")
        data = (self.store.release(self.number(n)) / name).read_bytes()
        return {"n": self.number(n), "len": len(data), "data": data[offset : offset + PIECE_BYTES]}

    def number(self, n: int | None) -> int:
        """`n`, or the serving release."""
        if n is None:
            n = self.store.state.serving
        if n is None:
            raise Refused(Status.STATE, "no release is active on this device; deploy one first")
        return n

    def have(self, shas: list[bytes]) -> dict[str, Any]:
        """Which of these blobs are not complete here, and from which offset each is wanted."""
        with self.transaction.held():
            wanted = {sha: self.store.blobs.wanted(sha.hex()) for sha in shas}
        return {"missing": [{"sha": sha, "off": offset} for sha, offset in wanted.items() if offset is not None]}

    def put(self, sha: bytes, offset: int, length: int, data: bytes) -> dict[str, Any]:
        with self.transaction.held():
            return {"off": self.store.blobs.put(sha.hex(), offset, length, data)}

    # jobs

    def stage(self, sha: bytes, wheels: list[bytes], system: str | None = None, envelope: bytes | None = None) -> Job:
        shas, stage = [wheel.hex() for wheel in wheels], self.transaction.stage
        if envelope is not None and not 0 < len(envelope) <= MAX_ENVELOPE_BYTES:
            raise Refused(Status.INVALID, f"an envelope of {len(envelope)} bytes")
        return self.jobs.start(lambda job: stage(sha.hex(), shas, job.note, system, envelope))

    def selftest(self, n: int | None) -> Job:
        number = self.number(n)
        return self.jobs.start(lambda job: selftest(self.store, number, job.note))

    def activate(self, n: int) -> Job:
        return self.jobs.start(lambda job: self.transaction.activate(n, job.note))

    def rollback(self) -> Job:
        return self.jobs.start(lambda job: self.transaction.rollback(job.note))

    def verify(self) -> Job:
        return self.jobs.start(lambda job: self.transaction.verify(job.note))

    def confirm(self, n: int) -> dict[str, Any]:
        self.transaction.confirm(n)
        return {}

    def report(self, n: int, good: int, bad: int, why: str) -> dict[str, Any]:
        """What applications say of inferences with release `n`; `why` is what was wrong, if they say so."""
        self.store.release(n)
        said = "".join(c for c in why if c.isprintable()).strip()[:LONGEST_REASON]
        self.transaction.watcher.count(n, good, bad, (said or "an application says so") if bad else "")
        return {"state": self.store.state.releases[n]["state"]}

    def trust(self, document: bytes, envelope: bytes) -> dict[str, Any]:
        with self.transaction.held():
            return {"version": Trust(self.store.root).install(document, envelope)}

    def bench(self, body: dict[str, Any]) -> Job:
        """Measure the serving release in a fresh process, as the request says."""
        wanted, number = benching.asked(body), self.number(None)
        return self.jobs.start(lambda job: benching.bench(self.store, job, number, wanted))

    def profile(self, n: int | None, runs: int, threads: int, delegate: str) -> Job:
        """What each op of a release takes, in a fresh process."""
        profiling.check(runs, threads)
        number = self.number(n)
        return self.jobs.start(lambda job: profiling.profile(self.store, job, number, runs, threads, delegate))

    # inference

    def invoke(self, n: int | None, data: bytes, raw: dict[str, Any] | None = None, tensor: int | None = None) -> bytes:
        """Run every sample in `data` (inputs in interface order, sample after sample); outputs likewise.

        With `raw` (`edgeq.preprocess.raw`: kind of number, shape, rate) `data` is one raw input, which the release's
        own preprocessing turns into the model's. With `tensor` the values of that tensor come out, and it counts for
        nothing.
        """
        number = self.transaction.serving.number if n is None else n
        number = self.number(number)
        if tensor is not None:
            return self._look(number, data, tensor)
        watcher = self.transaction.watcher
        try:
            interface = self._interface(number)
            request = _raw_request(interface, raw) if raw is not None else _samples_request(interface, len(data))
            answer: bytes = self.transaction.serving.ask(number, INVOKE_TIMEOUT_S, data=data, **request)["data"]
        except Refused as refused:
            if refused.status in (Status.RUNTIME, Status.TIMEOUT, Status.DIGEST):
                watcher.count(number, bad=1, why=refused.reason)
            raise
        watcher.count(number, good=1)
        return answer

    def _look(self, n: int, data: bytes, tensor: int) -> bytes:
        if (self.store.release(n) / IMAGE).is_file():
            raise Refused(Status.UNSUPPORTED, "its runtime does not show what lies between operators")
        sizes = _samples_request(self._interface(n), len(data))["sizes"]
        if len(data) != sum(sizes):
            raise Refused(Status.INVALID, "a tensor is shown of one sample")
        asked = {"do": "look", "data": data, "sizes": sizes, "tensor": tensor}
        answer: bytes = self.transaction.serving.ask(n, INVOKE_TIMEOUT_S, **asked)["data"]
        return answer

    def _interface(self, n: int) -> dict[str, Any]:
        try:
            interface: dict[str, Any] = json.loads((self.store.release(n) / "interface.json").read_bytes())
            return interface
        except (OSError, ValueError) as error:
            raise Refused(Status.DIGEST, f"release {n}: interface.json is damaged: {error}"[:300]) from error

    def close(self) -> None:
        """End in good order: a trial that is on goes on at the next start."""
        with contextlib.suppress(OSError):
            self.transaction.leave()
        self.transaction.serving.close()
        self.store.blobs.close_part()


def _samples_request(interface: dict[str, Any], length: int) -> dict[str, Any]:
    sizes = [_size(tensor) for tensor in interface["inputs"]]
    if not length or length % sum(sizes):
        raise Refused(Status.INVALID, f"{length} bytes are not whole samples of {sum(sizes)} bytes")
    return {"do": "invoke", "sizes": sizes}


def _raw_request(interface: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    if "steps" not in (interface.get("preprocess") or {}):
        raise Refused(Status.UNSUPPORTED, "this release has no preprocessing: give it the model's own input")
    return {"do": "raw", "raw": raw, "preprocess": interface["preprocess"]}


def _size(tensor: dict[str, Any]) -> int:
    size = {"int8": 1, "uint8": 1, "int16": 2, "int32": 4, "float32": 4}[tensor["dtype"]]
    for extent in tensor["shape"]:
        size *= int(extent)
    return size
