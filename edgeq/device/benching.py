"""How a host asks a device to bench: what is told meanwhile is gathered, and the device's clock held to the host's."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from edgeq.device.enough import Judge, next_round, why_enough
from edgeq.errors import DeviceError, ProtocolError, UsageError
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.run import Plan

MOST_PAIRS = 100
"""Readings of both clocks that are kept."""
PILOT_RUNS = 10
RING = 64
"""Samples after which a microcontroller waits for its host."""
MOST_RUNS = 1_000_000
"""That a device takes."""
_OLD_AGENT = "'edgeq agent update DEVICE' brings one that knows it, or leave the option away."
_NOT_SO = "Leave the option away, or ask for what the release has."


Progress = Callable[[str], None]


class Device(Protocol):
    """What is needed of a device (`edgeq.device.device`)."""

    address: str

    def describe(self) -> dict[str, Any]: ...

    def sensors(self) -> dict[str, Any]: ...

    def job(
        self,
        command: tuple[int, int, int],
        body: dict[str, Any],
        progress: Progress,
        *,
        take: Callable[[dict[str, Any], float, float], None],
        more: Callable[[], dict[str, Any]] = ...,
        ring: int = ...,
    ) -> dict[str, Any]: ...


def never() -> bool:
    """Nobody wants to stop."""
    return False


@dataclass
class Seen:
    """What a bench has told so far, in ns since it began; a caller may look at it while it grows. `samples` are warm-up
    and steady state; `clock` are triples of the device's clock, and the host's before and after the question."""

    samples: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    trace: list[dict[str, Any]] = field(default_factory=list)
    clock: list[tuple[int, float, float]] = field(default_factory=list)

    def add(self, samples: Sequence[int], gaps: Sequence[int]) -> None:
        """Samples with the time from the end of the one before to the beginning of each."""
        for sample, gap in zip(samples, gaps, strict=True):
            previous = self.starts[-1] + self.samples[-1] if self.starts else 0
            self.starts.append(previous + gap)
            self.samples.append(sample)

    def tick(self, device_ns: Any, before: float, after: float) -> None:
        """One reading of both clocks; of many every other one is dropped, the ends stay."""
        if isinstance(device_ns, int) and not isinstance(device_ns, bool):
            self.clock.append((device_ns, before, after))
        if len(self.clock) > MOST_PAIRS:
            self.clock = [*self.clock[:-1:2], self.clock[-1]]


Watch = Callable[[Seen], None]


def bench(
    device: Device,
    asked: Plan,
    progress: Progress,
    stopped: Callable[[], bool] = never,
    watch: Watch | None = None,
    every_s: float | None = None,
) -> dict[str, Any]:
    """Ask, wait, gather (`Device.bench`). Where `stopped` says so the device ends, and what there is comes back;
    `every_s` is how often the device reads its sensors meanwhile."""
    begun, facts = time.monotonic(), device.describe()
    if facts.get("bench"):
        answer = _whole(device, asked, progress, stopped, watch, every_s)
    elif facts.get("stops"):
        answer = _judged(device, asked, progress, stopped, watch)
    else:
        answer = _older(device, asked, progress, stopped)
    return {**answer, "host_s": time.monotonic() - begun}


def _body(asked: Plan, every_s: float | None) -> dict[str, Any]:
    """The request; what is not asked for is left out."""
    told = {
        key: value for key, value in asdict(asked).items() if value is not None and value is not False and value != ""
    }
    return told if every_s is None else {**told, "every_s": every_s}


def _whole(
    device: Device,
    asked: Plan,
    progress: Progress,
    stopped: Callable[[], bool],
    watch: Watch | None,
    every_s: float | None,
) -> dict[str, Any]:
    """A device that knows every key; what it does not support is something that its release lacks."""
    try:
        return _heard(device, _body(asked, every_s), progress, lambda _: stopped(), watch)
    except DeviceError as error:
        if error.status == Status.UNSUPPORTED:
            error.hint = _NOT_SO
        raise


def _heard(
    device: Device,
    body: dict[str, Any],
    progress: Progress,
    enough: Callable[[Sequence[int]], bool],
    watch: Watch | None,
    ring: int = 0,
) -> dict[str, Any]:
    """One job, whose device ends when `enough` says so, and tells when each sample began; of one that counts
    instructions there are no times."""
    seen, stopping = Seen(), False

    def more() -> dict[str, Any]:
        nonlocal stopping
        if not stopping and enough(seen.samples):
            stopping = True
            progress("stopping")
        return {"gaps": True, "trace": len(seen.trace), **({"stop": True} if stopping else {})}

    def take(state: dict[str, Any], before: float, after: float) -> None:
        samples, gaps, trace = state["samples"], state.get("gaps"), state.get("trace", [])
        numbers = [*samples, *gaps] if isinstance(gaps, list) else samples
        if not isinstance(trace, list) or not all(type(number) is int for number in numbers):
            raise _damaged(device)
        if isinstance(gaps, list) and len(gaps) == len(samples):
            seen.add(samples, gaps)
        else:
            seen.samples += samples
        seen.trace += trace
        seen.tick(state.get("clock_ns"), before, after)
        if watch:
            watch(seen)

    result = device.job(contract.BENCH, body, progress, take=take, more=more, ring=ring)
    first, counts = _first(device, result.pop("warmup", None), seen.samples), "init_instructions" in result
    if not counts and len(seen.starts) != len(seen.samples):
        raise _damaged(device)
    unit = "instructions" if counts else "ns"
    return {
        **result,
        f"warmup_{unit}": seen.samples[:first],
        f"invoke_{unit}": seen.samples[first:],
        **({} if counts else {"starts_ns": seen.starts[first:]}),
        "trace": seen.trace,
        "clock": seen.clock,
    }


def _first(device: Device, warmup: Any, samples: Sequence[int]) -> int:
    """Where the steady state begins among the samples, as the device says."""
    if not isinstance(warmup, int) or isinstance(warmup, bool) or not 0 <= warmup <= len(samples):
        raise _damaged(device)
    return warmup


def _damaged(device: Device) -> ProtocolError:
    return ProtocolError(f"{device.address} sends a damaged bench.", "Bench again.")


def _judged(
    device: Device, asked: Plan, progress: Progress, stopped: Callable[[], bool], watch: Watch | None
) -> dict[str, Any]:
    """A microcontroller that ends where it is told to. The host judges when it is enough, at every question."""
    _refuse_unknown(device, asked)
    timed = asked.seconds is not None or asked.rel_error is not None
    if timed and "clock_ns" not in device.sensors():
        raise _counts(device)
    judge = Judge(asked, progress if timed else lambda _: None, stopped)
    runs = MOST_RUNS if asked.sustained else min(asked.runs, MOST_RUNS)
    body = {"runs": runs, "warmup": asked.warmup, "threads": asked.threads}
    answer = _heard(device, body, (lambda _: None) if timed else progress, judge, watch, RING)
    steady = answer["invoke_ns"] if "invoke_ns" in answer else answer["invoke_instructions"]
    return {**answer, "ended_by": judge.why if len(steady) < runs else "runs"}


def _refuse_unknown(device: Device, asked: Plan) -> None:
    hint = "Leave the option away." if device.describe().get("kind") == "mcu" else _OLD_AGENT
    for what, given in (("delegates", asked.delegate), ("the way from end to end", asked.end_to_end)):
        if given:
            raise DeviceError(f"{device.address} knows nothing of {what}.", hint, Status.UNSUPPORTED)


def _counts(device: Device) -> UsageError:
    hint = "Give --runs alone: every inference takes as many of them."
    return UsageError(f"{device.address} counts instructions, so its bench cannot last for a time.", hint)


def _older(device: Device, asked: Plan, progress: Progress, stopped: Callable[[], bool]) -> dict[str, Any]:
    """Firmware or an agent of before: runs, warm-up and threads are all it knows."""
    _refuse_unknown(device, asked)
    if asked.seconds is None and asked.rel_error is None:
        return _plain(device, asked.runs, asked.warmup, asked.threads, progress)
    return _rounds(device, asked, progress, stopped)


def _plain(device: Device, runs: int, warmup: int, threads: int, progress: Progress) -> dict[str, Any]:
    samples: list[int] = []
    body = {"runs": runs, "warmup": warmup, "threads": threads}
    result = device.job(contract.BENCH, body, progress, take=lambda state, *_: samples.extend(state["samples"]))
    unit = "instructions" if "init_instructions" in result else "ns"
    if "warmup" not in result:
        return {**result, f"invoke_{unit}": samples}
    first = _first(device, result.pop("warmup"), samples)
    return {**result, f"warmup_{unit}": samples[:first], f"invoke_{unit}": samples[first:]}


def _rounds(device: Device, asked: Plan, progress: Progress, stopped: Callable[[], bool]) -> dict[str, Any]:
    """Bench again and again until it is enough, with a look at the sensors in between. Starts are what the device has
    measured before: its idle time between rounds is unknown to it."""
    answer = _plain(device, min(PILOT_RUNS, asked.runs), asked.warmup, asked.threads, lambda _: None)
    if "invoke_ns" not in answer:
        raise _counts(device)
    samples: list[int] = answer["invoke_ns"]
    trace: list[dict[str, Any]] = []
    ended, fresh = "", samples
    while not ended:
        spent_s = sum(samples) / 1e9
        trace.append({**device.sensors(), "t_ns": int(spent_s * 1e9)})
        progress(f"{len(samples)} runs, {spent_s:.0f} s")
        if stopped():
            ended = "stopped"
        elif sum(fresh) <= 0:
            ended = "runs"  # Its clock stands still, so no time will ever be over.
        else:
            ended = why_enough(asked, samples, spent_s)
        if not ended:
            more = _plain(device, next_round(asked, samples, spent_s), 0, asked.threads, lambda _: None)
            fresh = more["invoke_ns"]
            samples = [*samples, *fresh]
            answer["after"] = more["after"]
    starts = [0]
    for sample in samples[:-1]:
        starts.append(starts[-1] + sample)
    return {**answer, "invoke_ns": samples, "starts_ns": starts, "trace": trace, "ended_by": ended}
