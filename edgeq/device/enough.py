"""When a bench has measured enough, where the host judges: devices that know runs alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edgeq.run import Plan
from edgeq.stats import interval, summarize

FEWEST_RUNS = 30
ROUNDS = 20
SHORTEST_ROUND_S = 1.0


class Judge:
    """Asked at every look at a bench that goes on: is it enough? `why` says what ended it.

    Time is the host's, from the first steady sample that was told on: the device's clock may stand still."""

    def __init__(self, asked: Plan, progress: Callable[[str], None], stopped: Callable[[], bool]) -> None:
        self.why = ""
        self._asked, self._progress, self._stopped = asked, progress, stopped
        self._begun: float | None = None
        self._told, self._looked = -1, 0

    def __call__(self, samples: Sequence[int]) -> bool:
        """`samples` are warm-up and steady state, so far."""
        steady = len(samples) - self._asked.warmup
        if self._begun is None and steady > 0:
            self._begun = time.monotonic()
        passed_s = 0.0 if self._begun is None else time.monotonic() - self._begun
        if self._stopped():
            self.why = "stopped"
        elif self._asked.seconds is not None and passed_s >= self._asked.seconds:
            self.why = "seconds"
        elif self._is_known(samples, steady):
            self.why = "rel_error"
        elif int(passed_s) > self._told:
            self._told = int(passed_s)
            self._progress(f"{max(steady, 0)} runs, {passed_s:.0f} s")
        return self.why != ""

    def _is_known(self, samples: Sequence[int], steady: int) -> bool:
        """Looked at each time there is a tenth more of steady samples."""
        rel_error = self._asked.rel_error
        if rel_error is None or steady < FEWEST_RUNS or 10 * steady < 11 * self._looked:
            return False
        self._looked = steady
        return within(samples[self._asked.warmup :], rel_error)


def within(samples: Sequence[int], rel_error: float) -> bool:
    """Whether a 95 % interval of p50 reaches no further from it than that."""
    (low, high), p50 = interval(samples), summarize(samples).p50
    return max(high - p50, p50 - low) <= rel_error * p50


def why_enough(asked: Plan, samples: Sequence[int], spent_s: float) -> str:
    """What ends a bench of so many steady samples in rounds, or nothing."""
    if asked.seconds is not None and spent_s >= asked.seconds:
        return "seconds"
    if len(samples) >= asked.runs and not asked.sustained:
        return "runs"
    known = asked.rel_error is not None and len(samples) >= FEWEST_RUNS and within(samples, asked.rel_error)
    return "rel_error" if known else ""


def next_round(asked: Plan, samples: Sequence[int], spent_s: float) -> int:
    """How many inferences the next round has: a twentieth of the time, not more than is left."""
    each_s = max(summarize(samples).p50 / 1e9, 1e-7)
    left_s = SHORTEST_ROUND_S if asked.seconds is None else asked.seconds - spent_s
    round_s = min(max(SHORTEST_ROUND_S, (asked.seconds or 0.0) / ROUNDS), max(left_s, each_s))
    most = asked.runs if asked.sustained else asked.runs - len(samples)
    return max(1, min(most, round(round_s / each_s)))
