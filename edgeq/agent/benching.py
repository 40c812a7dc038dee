"""A bench on a Linux device: a fresh process is measured, the board is read meanwhile, both are kept for the host."""

from __future__ import annotations

import json
import time
from array import array
from pathlib import Path
from typing import Any, NamedTuple

from edgeq.agent import micro, rails
from edgeq.agent.errors import Refused
from edgeq.agent.files import sha256_of
from edgeq.agent.golden import open_model
from edgeq.agent.jobs import Job
from edgeq.agent.process import ModelProcess
from edgeq.agent.sensors import sensors
from edgeq.agent.store import Store
from edgeq.agent.timing import durations
from edgeq.agent.trace import EVERY_S, Load, Trace
from edgeq.protocol import cbor
from edgeq.protocol.status import Status
from edgeq.runtime import KERNELS

ANSWER_TIMEOUT_S = 300.0
"""The longest wait for anything from the process: one inference, or loading once more."""
FORSAKEN_S = 120.0
"""A bench for which nobody has asked so long ends; what it measured is kept."""
MAX_RUNS = 1_000_000
MAX_SECONDS = 86_400.0
END_TO_END_RUNS, END_TO_END_S = 200, 10.0


class Asked(NamedTuple):
    """A bench as it was asked for (firmware_stubs/PROTOCOL.md, bench)."""

    runs: int
    warmup: int
    threads: int
    seconds: float | None = None
    rel_error: float | None = None
    sustained: bool = False
    delegate: str = ""
    end_to_end: bool = False
    every_s: float = EVERY_S


def asked(body: dict[str, Any]) -> Asked:
    """The request's body, judged; `Refused` with what is out of range."""
    seconds, rel_error = body.get("seconds"), body.get("rel_error")
    wanted = Asked(
        _whole(body, "runs", MAX_RUNS),
        _whole(body, "warmup", MAX_RUNS),
        _whole(body, "threads", 1024),
        seconds=None if seconds is None else _within("seconds", seconds, 0.001, MAX_SECONDS),
        rel_error=None if rel_error is None else _within("rel_error", rel_error, 1e-4, 0.5),
        sustained=body.get("sustained", False) is True,
        delegate=str(body.get("delegate", ""))[:40],
        end_to_end=body.get("end_to_end", False) is True,
        every_s=_within("every_s", body.get("every_s", EVERY_S), 0.05, 3600.0),
    )
    if wanted.runs < 1:
        raise Refused(Status.INVALID, "a bench of 0 runs")
    if wanted.sustained and wanted.seconds is None:
        raise Refused(Status.INVALID, "a sustained bench needs its seconds")
    return wanted


def _whole(body: dict[str, Any], key: str, most: int) -> int:
    value = body[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Refused(Status.INVALID, f"{key} {value!r}")
    return value


def _within(key: str, value: Any, least: float, most: float) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value <= most:
        raise Refused(Status.INVALID, f"{key} {value!r}; it may be from {least:g} to {most:g}")
    return float(value)


def bench(store: Store, job: Job, n: int, wanted: Asked) -> dict[str, Any]:
    """Measure release `n`; samples, gaps and readings go into the job as they come."""
    folder = store.release(n)
    golden = cbor.loads((folder / "golden.cbor").read_bytes())
    kernels = kernels_of(store.release_manifest(n), wanted.delegate)
    member = micro.IMAGE if kernels == micro.NAME else "model.tflite"
    request = {**_request(wanted, golden["inputs"][0]), **_raw(folder, golden, wanted)}
    sha = bytes.fromhex(sha256_of(folder / member))
    result: dict[str, Any] = {"n": n, "warmup": 0, "member": member, "model_sha": sha}
    before, rest, load = sensors(), rails.at_rest(), Load()
    job.note("loading the model")
    since_ns = time.perf_counter_ns()
    with open_model(store, n, wanted.threads or None, kernels) as process:
        result.update({key: value for key, value in process.loaded.items() if key in _OF_LOADING})
        load.own.append(process.pid)
        with Trace(load, since_ns, wanted.every_s) as trace:
            trace.readings[:0] = [{**row, "t_ns": row["t_ns"] - since_ns} for row in rest]
            job.trace = trace.readings
            for answer in _watched(process, job, request):
                _take(job, result, answer, since_ns)
                job.note(_progress(job, result, wanted, since_ns))
    job.trace += rails.at_rest(since_ns)
    return {**result, "began_ns": since_ns, "delegate": kernels, "before": before, "after": sensors()}


_OF_LOADING = ("init_ns", "rss_before", "rss_after", "rss_load", "pss_before", "pss_after")


def kernels_of(manifest: dict[str, Any], delegate: str) -> str:
    """What executes the ops of a release: what was asked for, else what its manifest says."""
    own = str(manifest["golden"]["kernels"])
    if delegate in ("", own):
        return own
    known = (own,) if own == micro.NAME else KERNELS
    if delegate not in known:
        raise Refused(Status.UNSUPPORTED, f"there is no delegate {delegate!r} for this release: {', '.join(known)}")
    return delegate


def _request(wanted: Asked, inputs: list[bytes]) -> dict[str, Any]:
    keys = ("warmup", "runs", "seconds", "rel_error", "sustained")
    return {"do": "bench", "inputs": inputs, "again": True, **{key: getattr(wanted, key) for key in keys}}


def _raw(folder: Path, golden: dict[str, Any], wanted: Asked) -> dict[str, Any]:
    """A raw input of the release's own golden vectors, and how it becomes the model's."""
    if not wanted.end_to_end:
        return {}
    if not golden.get("raw"):
        raise Refused(Status.UNSUPPORTED, "this release has no preprocessing, so there is no way from end to end")
    interface = json.loads((folder / "interface.json").read_text(encoding="utf-8"))
    raw = {key: golden["raw"][0][key] for key in ("type", "shape", "rate", "data")}
    return {"raw": raw, "preprocess": interface.get("preprocess") or {}, "most": [END_TO_END_RUNS, END_TO_END_S]}


def _watched(process: ModelProcess, job: Job, request: dict[str, Any]) -> Any:
    """The process's answers; it is told to stop when the host asks for that, or for nothing any more."""
    told = False
    for answer in process.stream(ANSWER_TIMEOUT_S, **request):
        yield answer
        if not told and (job.stopping or time.monotonic() - job.asked > FORSAKEN_S):
            process.tell(do="stop")
            told = True


def _take(job: Job, result: dict[str, Any], answer: dict[str, Any], since_ns: int) -> None:
    for phase in ("warmup", "invoke"):
        if phase in answer:
            times = array("q")
            times.frombytes(answer.pop(phase))
            previous = [job.last_ns or since_ns, *times[1:-1:2]]
            job.gaps += [start - end for start, end in zip(times[::2], previous)]
            job.samples += durations(times)
            job.last_ns = times[-1]
            if phase == "warmup":
                result["warmup"] = len(job.samples)
    result.update(answer)


def _progress(job: Job, result: dict[str, Any], wanted: Asked, since_ns: int) -> str:
    done = len(job.samples) - result["warmup"]
    if wanted.seconds is None:
        return f"{done} of {wanted.runs} runs"
    passed = min(wanted.seconds, (time.perf_counter_ns() - since_ns) / 1e9)
    return f"{done} runs, {passed:.0f} of {wanted.seconds:g} s"
