"""A profile on Linux: what each op of a release takes, in a fresh process: by LiteRT's own profiler,
or step by step where edgeq-micro runs it."""

from __future__ import annotations

from typing import Any

from edgeq.agent import micro
from edgeq.agent.benching import kernels_of
from edgeq.agent.errors import Refused
from edgeq.agent.golden import open_model
from edgeq.agent.jobs import Job
from edgeq.agent.store import Store
from edgeq.protocol import cbor
from edgeq.protocol.status import Status

MOST_RUNS = 10_000
MOST_THREADS = 1024
TIMEOUT_S = 300.0
"""The longest wait for one inference with the profiler and one without."""


def check(runs: int, threads: int) -> None:
    """INVALID for what no profile is made of."""
    if not (1 <= runs <= MOST_RUNS and 0 <= threads <= MOST_THREADS):
        raise Refused(Status.INVALID, f"runs {runs}, threads {threads}")


def profile(store: Store, job: Job, n: int, runs: int, threads: int, delegate: str) -> dict[str, Any]:
    """Samples of the job are, run after run, the nanoseconds of each op and those of a whole inference that was not
    profiled; the answer has `detail` (`edgeq.agent.litert_profile`, `edgeq.agent.micro`). `threads` 0 and an empty
    `delegate` are what the manifest says."""
    folder, manifest = store.release(n), store.release_manifest(n)
    golden = cbor.loads((folder / "golden.cbor").read_bytes())
    kernels = kernels_of(manifest, delegate)
    request = {"do": "profile_records", "inputs": golden["inputs"][0], "runs": runs}
    if kernels != micro.NAME:
        threads = threads or manifest["runtime"]["threads"]
        request |= {"do": "profile", "path": str(folder / "model.tflite"), "threads": threads, "kernels": kernels}
    result: dict[str, Any] = {"n": n}
    done = 0
    job.note("loading the model")
    with open_model(store, n, threads or None, kernels) as process:
        for answer in process.stream(TIMEOUT_S, **request):
            if "op_ns" in answer:
                job.samples += [*answer["op_ns"], answer["invoke_ns"]]
                done += 1
                job.note(f"{done} of {runs} runs")
            else:
                result.update(answer)
    return result
