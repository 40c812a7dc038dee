"""The device contract on Linux: one handler per command, over the store, the transaction and the model's process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

from edgeq.agent import transaction
from edgeq.agent.errors import Refused
from edgeq.agent.facts import describe, sensors
from edgeq.agent.jobs import Job, Jobs
from edgeq.agent.process import ModelProcess
from edgeq.agent.store import Store
from edgeq.protocol import cbor
from edgeq.protocol.status import Status

LOCK_TIMEOUT_S = 5.0
INVOKE_TIMEOUT_S = 60.0
BENCH_TIMEOUT_S = 300.0
MAX_INVOKE_BYTES = 16 << 20
PIECE_BYTES = 48 << 10
MAX_RUNS = 1_000_000


class Service:
    """The part of the agent that all connections share."""

    def __init__(self, root: Path, agent_sha: str = "") -> None:
        self.store = Store(root)
        self.lock = threading.RLock()
        self.jobs = Jobs()
        self.agent_sha = agent_sha
        self._serving: tuple[int, ModelProcess] | None = None
        self.store.recover()
        # A trial that was under way when the last agent ended did not prove good.
        transaction.revert(self.store, self.swap)

    @contextmanager
    def _hold(self) -> Iterator[None]:
        """The store for one request; refused rather than waited for where a job holds it."""
        if not self.lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise Refused(Status.BUSY, "the device is busy with a job of another command; try again when it is done")
        try:
            yield
        finally:
            self.lock.release()

    def describe(self) -> dict[str, Any]:
        return describe(self.store.root, self.agent_sha)

    def sensors(self) -> dict[str, Any]:
        return sensors()

    def releases(self) -> dict[str, Any]:
        state = self.store.state
        listed = [
            {"n": n, "sha": bytes.fromhex(entry["sha"]), "state": entry["state"], "name": self._manifest(n)["name"]}
            for n, entry in sorted(state.releases.items())
        ]
        return {"releases": listed, "current": state.current, "previous": state.previous, "trial": state.trial}

    def _manifest(self, n: int) -> dict[str, Any]:
        try:
            manifest: dict[str, Any] = json.loads((self.store.release(n) / "manifest.json").read_bytes())
            return manifest
        except (OSError, ValueError):
            return {"name": "(damaged)"}

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
        with self._hold():
            wanted = {sha: self.store.blobs.wanted(sha.hex()) for sha in shas}
        return {"missing": [{"sha": sha, "off": offset} for sha, offset in wanted.items() if offset is not None]}

    def put(self, sha: bytes, offset: int, length: int, data: bytes) -> dict[str, Any]:
        with self._hold():
            return {"off": self.store.blobs.put(sha.hex(), offset, length, data)}

    # jobs

    def start(self, work: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
        return {"job": self.jobs.start(work).number}

    def stage(self, sha: bytes, wheels: list[bytes], system: str | None = None) -> dict[str, Any]:
        shas = [wheel.hex() for wheel in wheels]
        return self.start(lambda job: self._locked(transaction.stage, self.store, sha.hex(), shas, job.note, system))

    def selftest(self, n: int | None) -> dict[str, Any]:
        number = self.number(n)
        return self.start(lambda job: self._locked(transaction.selftest, self.store, number, job.note))

    def activate(self, n: int) -> dict[str, Any]:
        return self.start(lambda job: self._locked(transaction.activate, self.store, n, self.swap, job.note))

    def rollback(self) -> dict[str, Any]:
        return self.start(lambda job: self._locked(transaction.rollback, self.store, self.swap, job.note))

    def _locked(self, work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        with self.lock:
            return work(*arguments)

    def bench(self, runs: int, warmup: int, threads: int) -> dict[str, Any]:
        """Measure the serving release in a fresh process: init, first inference, warm-up, steady state, memory."""
        if not (1 <= runs <= MAX_RUNS and 0 <= warmup <= MAX_RUNS and 0 <= threads <= 1024):
            raise Refused(Status.INVALID, f"runs {runs}, warmup {warmup}, threads {threads}")
        number = self.number(None)
        return self.start(lambda job: self._bench(job, number, runs, warmup, threads))

    def _bench(self, job: Job, n: int, runs: int, warmup: int, threads: int) -> dict[str, Any]:
        golden = cbor.loads((self.store.release(n) / "golden.cbor").read_bytes())
        result: dict[str, Any] = {"n": n, "warmup_ns": []}
        before = sensors()
        job.note("loading the model")
        with transaction.open_model(self.store, n, threads or None) as process:
            result.update(init_ns=process.loaded["init_ns"], rss_load=process.loaded["rss_load"])
            request = {"do": "bench", "inputs": golden["inputs"][0], "warmup": warmup, "runs": runs}
            for answer in process.stream(BENCH_TIMEOUT_S, **request):
                result["warmup_ns"] += answer.pop("warmup_ns", [])
                job.samples += answer.pop("invoke_ns", [])
                result.update(answer)
                job.note(f"{len(job.samples)} of {runs} runs")
        return {**result, "before": before, "after": sensors()}

    # inference

    def swap(self) -> None:
        """Let go of the loaded model; the next inference loads what serves then."""
        with self.lock:
            if self._serving is not None:
                self._serving[1].close()
                self._serving = None

    def invoke(self, n: int | None, data: bytes, raw: dict[str, Any] | None = None) -> bytes:
        """Run every sample in `data` (inputs in interface order, sample after sample); outputs likewise.

        With `raw` (`edgeq.preprocess.raw`: kind of number, shape, rate) `data` is one raw input, which the release's
        own preprocessing turns into the model's.
        """
        with self._hold():
            number = self.number(n)
            interface = json.loads((self.store.release(number) / "interface.json").read_bytes())
            request = _raw_request(interface, raw) if raw is not None else _samples_request(interface, len(data))
            if self._serving is None or self._serving[0] != number:
                self.swap()
                self._serving = (number, transaction.open_model(self.store, number))
            try:
                answer: bytes = self._serving[1].ask(INVOKE_TIMEOUT_S, data=data, **request)["data"]
            except Refused as refused:
                if refused.status != Status.INVALID:  # A wrong input says nothing against the model's process.
                    self.swap()
                raise
            return answer

    def close(self) -> None:
        self.swap()
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
