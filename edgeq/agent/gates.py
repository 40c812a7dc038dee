"""What a release must not exceed on this device before it may serve on trial: time and memory, measured in a worker."""

from __future__ import annotations

import statistics
import time
from array import array
from typing import Any, Callable

from edgeq.agent.errors import Refused
from edgeq.agent.golden import open_model
from edgeq.agent.process import ModelProcess
from edgeq.agent.store import Store
from edgeq.agent.timing import durations
from edgeq.protocol import cbor
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy

FEW, MANY = 3, 48
"""Inferences that are timed at least, and at most."""
ENOUGH_S = 2.0
INFERENCE_TIMEOUT_S = 60.0


def measure(store: Store, n: int, policy: ConfirmPolicy, note: Callable[[str], None]) -> dict[str, Any]:
    """`latency_ms` and `memory_bytes` of release `n`, as far as the policy asks for them; GATE where it is too much."""
    if not (policy.latency_ms or policy.memory_bytes):
        return {}
    note("measuring time and memory")
    sample = cbor.loads((store.release(n) / "golden.cbor").read_bytes())["inputs"][0]
    with open_model(store, n) as process:
        samples, peak = _timed(process, sample)
    found: dict[str, Any] = {}
    if policy.latency_ms:
        found["latency_ms"] = _latency(samples, policy.latency_ms)
    if policy.memory_bytes:
        found["memory_bytes"] = _memory(peak, policy.memory_bytes)
    return found


def _timed(process: ModelProcess, sample: list[bytes]) -> tuple[list[int], int]:
    """Nanoseconds of inferences after a warm-up, and the most memory of the process in bytes."""
    samples: list[int] = []
    ends = time.monotonic() + ENOUGH_S
    request = {"do": "bench", "inputs": sample, "warmup": 1, "runs": FEW}
    peak = _bench(process, request, samples)
    left_s = ends - time.monotonic()
    if left_s > 0:
        peak = _bench(process, {**request, "warmup": 0, "runs": MANY - FEW, "seconds": left_s}, samples)
    return samples, peak


def _bench(process: ModelProcess, request: dict[str, Any], samples: list[int]) -> int:
    """Adds what the inferences took to `samples`; the most memory so far."""
    peak = 0
    for answer in process.stream(INFERENCE_TIMEOUT_S, **request):
        times = array("q")
        times.frombytes(answer.get("invoke", b""))
        samples += durations(times)
        peak = answer.get("rss_peak", peak)
    return peak


def _latency(samples: list[int], limit_ms: float) -> float:
    median_ms = round(statistics.median(samples) / 1e6, 3)
    if median_ms > limit_ms:
        what = f"an inference takes {median_ms:g} ms here (median of {len(samples)})"
        raise Refused(Status.GATE, f"{what}; the policy allows {limit_ms:g} ms")
    return median_ms


def _memory(peak: int, limit: int) -> int:
    if not peak:
        raise Refused(Status.GATE, f"the policy allows {limit} bytes of memory, and this device does not tell its use")
    if peak > limit:
        raise Refused(Status.GATE, f"the model's process takes {peak} bytes of memory; the policy allows {limit}")
    return peak
