"""A sustained bench in figures: p50 per interval, and from when on the device was slower than in its first minute.

Times are seconds since the bench began, on the device's clock. Nothing here knows what throttles a board: what changed
is told from the readings that were taken meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.bootstrap import block_quantiles, bootstrap_interval
from edgeq.run import Run, Series
from edgeq.stats import Floats
from edgeq.units import format_seconds

LONGEST_INTERVAL_S = 10.0
FEWEST_INTERVALS = 20
SAMPLES_EACH = 5
"""An interval is long enough for so many samples, where inferences are slow."""
FIRST_S = 60.0
"""What the first minute is; of a short bench its first fifth."""
RISE = 0.05
"""How much above the first minute's p50 is slower."""
RESAMPLES = 500


@dataclass(frozen=True)
class Interval:
    """The samples that began between two times: their count, their median and its 95 % bootstrap interval, in ns."""

    start_s: float
    end_s: float
    n: int
    p50: float
    low: float
    high: float


@dataclass(frozen=True)
class Onset:
    """When a bench became slower, by which fraction, and which readings changed with it, in words."""

    t_s: float
    rise: float
    changed: str


def width(t_s: Sequence[float]) -> float:
    """How long an interval is: 10 s, or a twentieth of a shorter bench; longer where inferences are slow."""
    lasted = t_s[-1] - t_s[0]
    return max(min(LONGEST_INTERVAL_S, lasted / FEWEST_INTERVALS), SAMPLES_EACH * lasted / max(1, len(t_s)))


def intervals(t_s: Sequence[float], values: Sequence[float], width_s: float = 0.0) -> list[Interval]:
    """p50 per interval of `width_s` (0: as `width` says); intervals in which nothing began are left out."""
    if len(t_s) < 2 or len(t_s) != len(values):
        return []
    times, samples = np.asarray(t_s, np.float64), np.asarray(values, np.float64)
    step = width_s or width(t_s)
    if step <= 0:
        return []
    slot = np.minimum((times - times[0]) // step, max(0, round((times[-1] - times[0]) / step) - 1))
    found = []
    for index in np.unique(slot):
        inside = samples[slot == index]
        low, high = bootstrap_interval(inside, resamples=RESAMPLES)
        start = float(times[0] + index * step)
        found.append(Interval(start, start + step, inside.size, float(np.median(inside)), low, high))
    return found


def onset(run: Run) -> Onset | None:
    """The first interval whose p50 is more than 5 % above the first minute's with 95 % confidence, and stays so in the
    next one; None where the device kept its pace, or the times of samples are not known."""
    invoke = run.one("invoke") or run.one("instructions")
    if invoke is None or len(invoke.t_s) != len(invoke.values):
        return None
    found = intervals(invoke.t_s, invoke.values)
    if len(found) < 3:
        return None
    times, values = np.asarray(invoke.t_s), np.asarray(invoke.values)
    first_s = min(FIRST_S, (times[-1] - times[0]) / 5)
    first = values[times <= times[0] + first_s]
    reference = float(np.median(first))
    if reference <= 0:
        return None
    slow = [item.start_s >= times[0] + first_s and item.p50 > reference * (1 + RISE) for item in found]
    for index, item in enumerate(found):
        stays = index + 1 < len(found) and slow[index + 1]
        if slow[index] and stays and _surely(first, values[(times >= item.start_s) & (times < item.end_s)]):
            readings = _changed(run, float(times[0]) + first_s, item)
            return Onset(item.start_s, item.p50 / reference - 1, " and ".join(readings))
    return None


def _surely(first: Floats, later: Floats) -> bool:
    """Whether the ratio of medians is above 1.05 in 97.5 % of resamples."""
    if not later.size:
        return False
    random = np.random.default_rng(0)
    slower, before = (block_quantiles([values], 0.5, RESAMPLES, random) for values in (later, first))
    return float(np.quantile(slower / before, 0.025)) > 1 + RISE


def _changed(run: Run, first_s: float, item: Interval) -> list[str]:
    """Readings that differ between the first minute and the interval (with the time before it that led there)."""
    said = []
    before, then = _means(run.one("cpu_hz"), first_s, item)
    if before and then and then < 0.97 * before:
        said.append(f"the CPU's clock fell from {before / 1e6:.0f} to {then / 1e6:.0f} MHz")
    before, then = _means(run.one("temperature"), first_s, item)
    if before is not None and then is not None and then > before + 3:
        said.append(f"the temperature rose from {before:.0f} to {then:.0f} C")
    before, then = _means(run.one("throttled"), first_s, item)
    if then and not before:
        said.append("throttle bits were set")
    before, then = _means(run.one("other_load"), first_s, item)
    if then is not None and then > (before or 0.0) + 0.3:
        said.append(f"other programs took {then:.1f} cores")
    before, then = _means(run.one("supply"), first_s, item)
    if before and then and then < 0.98 * before:
        said.append(f"the supply fell from {before:.2f} to {then:.2f} V")
    return said


def _means(series: Series | None, first_s: float, item: Interval) -> tuple[float | None, float | None]:
    """Means of a trace's readings in the first minute, and from just before the interval to its end."""
    if series is None or len(series.t_s) != len(series.values):
        return None, None
    lasted = item.end_s - item.start_s
    rows = list(zip(series.t_s, series.values, strict=True))
    before = [value for time, value in rows if time <= first_s]
    then = [value for time, value in rows if item.start_s - lasted <= time <= item.end_s]
    return (
        sum(before) / len(before) if before else None,
        sum(then) / len(then) if then else None,
    )


class Teller:
    """Says a line for each interval of a sustained bench as soon as it is over: p50, and what the board said last."""

    def __init__(self, seconds: float, say: Callable[[str], None]) -> None:
        self._width_s, self._say = min(LONGEST_INTERVAL_S, seconds / FEWEST_INTERVALS), say
        self._done, self._first, self._digits = 0, 0.0, int(self._width_s < 1)

    def __call__(self, samples: Sequence[int], starts: Sequence[int], trace: Sequence[Mapping[str, Any]]) -> None:
        """Samples and their starts in ns so far, warm-up included; they only grow."""
        while len(starts) > self._done:
            begun, index = starts[self._done], self._done
            while index < len(starts) and starts[index] - begun < self._width_s * 1e9:
                index += 1
            if index == len(starts):
                return
            p50 = float(np.median(samples[self._done : index]))
            self._first = self._first or p50
            self._done = index
            # A clock so coarse that a median is 0 tells no rise.
            rise = f" ({100 * (p50 / self._first - 1):+.1f} %)" if self._first else ""
            words = [f"{starts[index] / 1e9:.{self._digits}f} s: p50 {format_seconds(p50 / 1e9)}{rise}"]
            self._say(", ".join([*words, *_last(trace)]))


def _last(trace: Sequence[Mapping[str, Any]]) -> list[str]:
    """The latest readings in words."""
    shown = (
        ("temperature_c", "{:.1f} C", 1.0),
        ("cpu_hz", "{:.0f} MHz", 1e-6),
        ("other_load", "other load {:.2f}", 1.0),
    )
    words = [
        text.format(item[key] * factor)
        for key, text, factor in shown
        for item in [next((item for item in reversed(trace) if key in item), None)]
        if item
    ]
    return [*words, f"throttled {trace[-1]['throttled']:#x}"] if trace and trace[-1].get("throttled") else words
