"""When, on the meter's clock, the measured inferences ran: by a trigger pin, by the device's own times, or by the edges
of power itself. Each way says how many inferences its gate holds, and whether the device agrees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from edgeq.errors import UsageError
from edgeq.probe.power.meter import CLOCK_OFF, Capture, Floats, means
from edgeq.run import Series
from edgeq.stats import summarize

WAYS = ("pin", "markers", "edges")
PULSES = ("all", "steady")
PULSE_OFF = 0.10
"""Pulses that last this much longer or shorter than the device says are not its inferences, or its clock is wrong."""


@dataclass(frozen=True)
class Work:
    """What the device did, in seconds on its own clock: inferences before the steady ones, and those. `begins_s` are
    the times at which the steady ones began, since the bench did, where the device tells them. Of the steady ones only
    each `every`-th was timed, the last of its `every`; the others ran all the same."""

    before_s: tuple[float, ...]
    steady_s: tuple[float, ...]
    begins_s: tuple[float, ...] = ()
    every: int = 1
    after: int = 0
    """Inferences behind the steady ones, on the way from end to end."""

    @property
    def steady(self) -> int:
        """How many steady inferences ran, timed or not."""
        return len(self.steady_s) * self.every

    @property
    def spanned(self) -> int:
        """How many of them ran in `span_s`: those before the first that was timed did not."""
        return self.steady - self.every + 1

    @property
    def p50_s(self) -> float:
        return summarize(self.steady_s).p50

    @property
    def span_s(self) -> tuple[float, float] | None:
        """From the first steady inference's begin to the last one's end."""
        return (self.begins_s[0], self.begins_s[-1] + self.steady_s[-1]) if self.begins_s else None


@dataclass(frozen=True)
class Found:
    """A gate. `busy` is all that is not idle. `edge_s` and `align_s` are standard uncertainties of each edge and of all
    together; `count_u` that of the number of inferences. `problem` says where the device does not agree."""

    how: str
    windows: tuple[tuple[float, float], ...]
    busy: tuple[float, float]
    inferences: int
    edge_s: float
    align_s: float = 0.0
    count_u: float = 0.0
    pulses: int | None = None
    problem: str = ""

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end in self.windows)


def work_of(series: Iterable[Series], every: int = 1) -> Work | None:
    """The device's own timings of a bench, where it measured any; `every`: it timed only each `every`-th steady one."""
    named = {item.name: item for item in series if item.unit == "ns"}
    invoke = named.get("invoke")
    if invoke is None or not invoke.values:
        return None
    before = [value for name in ("first_inference", "warmup") if name in named for value in named[name].values]
    after = len(named["end_to_end"].values) if "end_to_end" in named else 0
    begins = invoke.t_s if len(invoke.t_s) == len(invoke.values) else ()
    return Work(tuple(v / 1e9 for v in before), tuple(v / 1e9 for v in invoke.values), tuple(begins), every, after)


def by_pin(capture: Capture, work: Work, pulses: str = "all") -> Found:
    """The pin is high during each inference, or once during all of them.

    `pulses`: whether it also rises for the inferences before the steady ones (`all`), or for those alone (`steady`).
    """
    windows = _windows(capture)
    if not windows:
        raise UsageError(
            "The trigger pin never rose while the device measured.",
            "Check the wire and the pin's number, or gate by 'gate=markers' or 'gate=edges'.",
        )
    if len(windows) == 1 and len(work.steady_s) > 1:
        return _one_window(capture, windows[0], work, pulses)
    before = len(work.before_s) if pulses == "all" else 0
    after = work.after if pulses == "all" else 0
    expected, last = before + work.steady + after, max(1, len(windows) - after)
    steady = windows[max(0, last - work.steady) : last]
    problem = ""
    if len(windows) != expected:
        off = len(windows) - expected
        problem = f"The trigger pin rose {len(windows)} times for {expected} inferences: it is off by {off:+d}."
    else:
        problem = _pulse_lengths(steady, work, capture.step_s)
    return Found(
        how=f"pin, {len(windows)} pulses",
        windows=steady,
        busy=(windows[0][0], windows[-1][1]),
        inferences=len(steady),
        edge_s=capture.step_s / sqrt(12),
        pulses=len(windows),
        problem=problem,
    )


def _one_window(capture: Capture, window: tuple[float, float], work: Work, pulses: str) -> Found:
    before = work.before_s if pulses == "all" else ()
    edge, count = capture.step_s / sqrt(12), len(before) + work.steady
    seconds = window[1] - window[0]
    problem, count_u = _length(seconds, before, work, edge)
    return Found("pin, one pulse", (window,), window, count, edge, count_u=count_u, pulses=1, problem=problem)


def _length(seconds: float, before: Sequence[float], work: Work, edge_s: float, windows: int = 1) -> tuple[str, float]:
    """Are so many windows as long as the inferences in them, those `before` and the steady ones? What is wrong, and the
    count's standard uncertainty.

    What the device does between two inferences is not in their times; where it tells when each began, it is.
    """
    count, mean_s = len(before) + work.steady, sum(work.steady_s) / len(work.steady_s)
    if not work.p50_s > 0:
        return "The device's clock stood still, so nothing says how long its inferences take.", 0.0
    expected = sum(before) + mean_s * work.steady
    if work.span_s:
        between = (work.span_s[1] - work.span_s[0]) - mean_s * work.spanned
        expected += max(0.0, between) * (count if windows == 1 else max(0, count - windows)) / work.spanned
    unsure = 2 * (edge_s * sqrt(2 * windows) + expected * CLOCK_OFF / sqrt(3))
    if not work.span_s:
        unsure += 2 * count * summarize(work.steady_s).std / sqrt(len(work.steady_s))
    off, p50 = (seconds - expected) / work.p50_s, work.p50_s
    count_u = unsure / 2 / p50
    if abs(off) <= 0.5 + unsure / p50:
        return "", count_u if unsure > p50 / 2 else 0.0
    said = f"{count} inferences take {expected * 1e3:.6g} ms"
    return f"The gate lasts {seconds * 1e3:.6g} ms, and {said}: it is off by {off:+.1f} inferences.", count_u


def held(seconds: float, inferences: int, work: Work, edge_s: float, windows: int = 1) -> str:
    """Whether a gate of so many `windows` that was given with its count, as a recording's is, fits what the device
    measured: to half an inference where it is the count of this bench, else, and where each inference has a window of
    its own, to a tenth of one's length. What is wrong, or nothing."""
    pulses = windows == inferences
    before = {work.steady: (), len(work.before_s) + work.steady: work.before_s}.get(inferences)
    if before is not None and not pulses:
        return _length(seconds, before, work, edge_s, windows)[0]
    times = (*(before or ()), *work.steady_s) if pulses else work.steady_s
    mean_s = sum(times) / len(times)
    if work.span_s and not pulses:  # what passes between two inferences is in the gate, too
        mean_s = (work.span_s[1] - work.span_s[0]) / work.spanned
    each = seconds / inferences
    if abs(each - mean_s) <= PULSE_OFF * mean_s:
        return ""
    return f"An inference of the gate lasts {each * 1e3:.4g} ms, and one of this bench {mean_s * 1e3:.4g} ms."


def _pulse_lengths(windows: Sequence[tuple[float, float]], work: Work, step_s: float) -> str:
    pulse = summarize([end - start for start, end in windows]).p50
    if abs(pulse - work.p50_s) <= PULSE_OFF * work.p50_s + 2 * step_s:
        return ""
    return f"A pulse of the trigger pin lasts {pulse * 1e3:.4g} ms, an inference {work.p50_s * 1e3:.4g} ms."


def _windows(capture: Capture) -> tuple[tuple[float, float], ...]:
    """Where the pin was high; an edge lies halfway between the samples around it. One that was high at the begin or at
    the end of the recording is not whole, and left out."""
    if capture.pin is None or not capture.pin.size:
        return ()
    changes = np.flatnonzero(np.diff(capture.pin.astype(np.int8)))
    times = (capture.t_s[changes] + capture.t_s[changes + 1]) / 2
    rising = capture.pin[changes + 1]
    first = int(np.argmax(rising)) if rising.any() else len(times)
    starts, ends = times[first::2], times[first + 1 :: 2]
    return tuple((float(a), float(b)) for a, b in zip(starts, ends, strict=False))


def by_markers(capture: Capture, work: Work, to_host: tuple[float, float] | None = None) -> Found:
    """The device says when its steady inferences ran, on its own clock.

    `to_host`: the host's monotonic time at which the bench began there, and its standard uncertainty; None where the
    meter's clock is the device's (a sensor on the board).
    """
    if work.span_s is None:
        raise UsageError(
            "The device does not say when its inferences began, so it gives no markers.",
            "Wire a trigger pin, or gate by 'gate=edges'.",
        )
    (start, end), begin = work.span_s, 0.0
    align = 0.0
    if to_host is not None and capture.tie is not None:
        host, unsure = to_host
        start, end, begin = (capture.tie.to_meter(host + time) for time in (start, end, begin))
        align = sqrt(unsure**2 + capture.tie.u_s**2)
    # From the begin of the bench on the device is busy: it loads the model first.
    guard = 3 * align + capture.averaged_s
    edge = max(capture.step_s, capture.averaged_s) / sqrt(12)
    return Found("markers", ((start, end),), (begin - guard, end + guard), work.spanned, edge, align)


def by_edges(capture: Capture, work: Work) -> Found:
    """The longest time in which power is above the middle between idle and busy holds all inferences of the bench."""
    each = max(1, int(work.p50_s / 4 / capture.step_s))
    t, p = means(capture.t_s, each), means(capture.power_mw, each)
    low, high = np.percentile(p, (5, 95))
    if high <= low * 1.02:
        raise UsageError(
            "Power does not rise while the device measures, so its edges give no gate.",
            "Wire a trigger pin, or record longer before and after.",
        )
    start, end = _longest(t, p, float(low + high) / 2, gap_s=work.p50_s)
    edge = float(max(each, 1)) * capture.step_s / sqrt(12)
    problem, count_u = _length(end - start, work.before_s, work, edge)
    count = len(work.before_s) + work.steady
    return Found("edges", ((start, end),), (start - edge, end + edge), count, edge, 0.0, count_u, None, problem)


def _longest(t: Floats, p: Floats, level: float, gap_s: float) -> tuple[float, float]:
    """The longest stretch above `level`, dips shorter than `gap_s` included; crossings are interpolated."""
    crossing = np.flatnonzero(np.diff((p > level).astype(np.int8)))
    share = (level - p[crossing]) / (p[crossing + 1] - p[crossing])
    times = t[crossing] + share * (t[crossing + 1] - t[crossing])
    up = p[crossing + 1] > level
    starts = [float(t[0])] * bool(p[0] > level) + [float(x) for x in times[up]]
    ends = [float(x) for x in times[~up]] + [float(t[-1])] * bool(p[-1] > level)
    merged: list[tuple[float, float]] = []
    for start, end in zip(starts, ends, strict=True):
        if merged and start - merged[-1][1] < gap_s:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return max(merged, key=lambda window: window[1] - window[0])
