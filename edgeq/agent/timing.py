"""The measuring loop, in the process of the model: bare, the clock read before and after each inference.

It is left a few times a second only, to send what was timed and to look whether it is enough. Times are
`time.perf_counter_ns`, which on Linux is one clock for all processes.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any, Callable

SLICE_NS = 250_000_000
MOST_EACH = 4096
"""Inferences that are timed before they are sent; 64 KB."""
FEWEST = 30
"""The least that a relative error is judged by."""
GROWTH = 1.1
"""It is judged again when there are so many times more samples."""
MOST_KEPT = 200_000
"""Samples of a sustained bench; where more inferences fit, only every k-th is timed."""
MOST_EVER = 5 * MOST_KEPT
"""What it may become where the processor is faster later on than it was when k was chosen."""
NEVER_NS = 1 << 62
_clock = time.perf_counter_ns


def measure(
    model: Any,
    inputs: Sequence[bytes],
    *,
    warmup: int,
    runs: int,
    seconds: float | None = None,
    rel_error: float | None = None,
    sustained: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, Any]]:
    """First inference, warm-up, steady state: `first_ns`; `warmup` and `invoke`, arrays of int64 as bytes, (start, end)
    of each; at last `ended_by` (runs, seconds, rel_error, stopped) and `timed_every` (1 unless sustained)."""
    model.load(inputs)
    run = model.run
    start = _clock()
    run()
    first_ns = _clock() - start
    yield {"first_ns": first_ns}
    halted = False
    took = array("q", [first_ns])
    for times in _slices(run, warmup, NEVER_NS, 0):
        took = durations(times)
        yield {"warmup": times.tobytes()}
        halted = halted or stopped()
        if halted:
            break
    if sustained and not halted:  # A cold inference, or a short warm-up, says little of what will fit.
        took = durations(_loop(run, MOST_EACH, _clock() + SLICE_NS))
    until_ns = NEVER_NS if seconds is None else _clock() + int(seconds * 1e9)
    skip = int(seconds * 1e9 / median(took) / MOST_KEPT) if sustained and seconds else 0
    seen, judged, ended = array("q"), FEWEST / GROWTH, ""
    for times in _slices(run, MOST_EVER if sustained else runs, until_ns, skip) if not halted else ():
        yield {"invoke": times.tobytes()}
        if stopped():
            ended = "stopped"
        elif rel_error is not None:
            seen.extend(durations(times))
            if len(seen) >= GROWTH * judged:
                judged = len(seen)
                ended = "rel_error" if spread(seen) <= rel_error else ""
        if ended:
            break
    if not ended:
        ended = "stopped" if halted else "seconds" if _clock() >= until_ns else "runs"
    yield {"ended_by": ended, "timed_every": skip + 1}


def _slices(run: Callable[[], None], count: int, until_ns: int, skip: int) -> Iterator[array[int]]:
    over = False
    while count > 0 and not over:  # The first without a look at the clock: whatever the time, there is one sample.
        least = min(until_ns, _clock() + SLICE_NS)
        times = (
            _loop(run, min(count, MOST_EACH), least) if not skip else _sparse(run, min(count, MOST_EACH), least, skip)
        )
        count -= len(times) // 2
        yield times
        over = _clock() >= until_ns


def _loop(run: Callable[[], None], count: int, until_ns: int) -> array[int]:
    """At least one inference, at most `count`, until the clock says so."""
    times, clock, end = array("q"), _clock, 0
    append = times.append
    while count and end < until_ns:
        start = clock()
        run()
        end = clock()
        append(start)
        append(end)
        count -= 1
    return times


def _sparse(run: Callable[[], None], count: int, until_ns: int, skip: int) -> array[int]:
    """The same, with `skip` inferences before each that is timed."""
    times, end = array("q"), 0
    while count and end < until_ns:
        for _ in range(skip):
            run()
        start = _clock()
        run()
        end = _clock()
        times.append(start)
        times.append(end)
        count -= 1
    return times


def durations(times: array[int]) -> array[int]:
    """(start, end), (start, end) ... -> what each took."""
    return array("q", [end - start for start, end in zip(times[::2], times[1::2])])


def median(values: Sequence[int]) -> int:
    """The upper median; at least 1."""
    return max(1, sorted(values)[len(values) // 2])


def spread(values: Sequence[int]) -> float:
    """How far the 95 % interval of the median reaches from it, as a fraction: between order statistics, whose ranks are
    those of the binomial distribution in its normal approximation."""
    ordered, n = sorted(values), len(values)
    away = 0.98 * sqrt(n) + 0.5
    low, high = ordered[max(0, int(n / 2 - away))], ordered[min(n - 1, int(n / 2 + away) + 1)]
    middle = median(ordered)
    return max(high - middle, middle - low) / middle


def end_to_end(model: Any, raw: Any, prepare: Callable[[Any], list[bytes]] | None, count: int, until_s: float) -> Any:
    """Raw input to real outputs, at most `count` times and `until_s` seconds: `end_to_end_ns`, and where the steps can
    be told apart `preprocess_ns` and `postprocess_ns`. `prepare` makes the model's inputs; without it, it does so."""
    whole: list[int] = []
    before: list[int] = []
    after: list[int] = []
    begun = _clock()
    while len(whole) < count and (_clock() - begun < until_s * 1e9 or not whole):
        start = _clock()
        if prepare is None:
            model.invoke_raw(raw)
            whole.append(_clock() - start)
            continue
        model.load(prepare(raw))
        ready = _clock()
        model.run()
        done = _clock()
        for tensor, data in zip(model.outputs, model.read()):
            _real(tensor, data)
        end = _clock()
        whole.append(end - start)
        before.append(ready - start)
        after.append(end - done)
    told = {"end_to_end_ns": whole, "preprocess_ns": before, "postprocess_ns": after}
    return {name: values for name, values in told.items() if values}


def _real(tensor: Any, data: bytes) -> Any:
    """A tensor's bytes as real values, as `edgeq run` gives them."""
    import numpy as np

    steps = np.frombuffer(data, np.dtype(tensor.dtype).newbyteorder("<"))
    if tensor.scale == 0:
        return steps
    return (steps.astype(np.float64) - tensor.zero_point) * tensor.scale
