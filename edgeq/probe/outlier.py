"""Outliers of a bench by name: which samples, when, and what the readings of the device said then."""

from __future__ import annotations

from edgeq.run import Run, Series
from edgeq.stats import outliers, summarize

MOST_NAMED = 5
LEAST_CORES = 0.05
"""Other programs that took less than that explain nothing."""
NEAR_S = 1.0
"""A reading belongs to the samples that lie within this time of it."""


def when_and_why(run: Run) -> str:
    """A clause such as `: #17 at 1.2 s (3.1 times p50), ...; other programs took 0.9 cores then`; empty without any."""
    invoke = run.one("invoke") or run.one("instructions")
    if invoke is None or not invoke.values:
        return ""
    found, p50 = outliers(invoke.values), summarize(invoke.values).p50
    if not found:
        return ""
    worst = sorted(sorted(found, key=lambda index: -abs(invoke.values[index] - p50))[:MOST_NAMED])
    named = ", ".join(_named(invoke, index, p50) for index in worst)
    more = f" and {len(found) - len(worst)} more" if len(found) > len(worst) else ""
    return f": {named}{more}{_why(run, invoke, found)}"


def _named(invoke: Series, index: int, p50: float) -> str:
    at = f" at {invoke.t_s[index]:.2f} s" if invoke.t_s else ""
    times = f" ({invoke.values[index] / p50:.1f} times p50)" if p50 > 0 else ""
    return f"#{index}{at}{times}"


def _why(run: Run, invoke: Series, found: tuple[int, ...]) -> str:
    """What differs between the readings near outliers and all others."""
    if not invoke.t_s:
        return ""
    times = [invoke.t_s[index] for index in found]
    reasons = []
    for name, words, least in (
        ("other_load", "other programs took {:.1f} cores", LEAST_CORES),
        ("throttled", "throttle bits were set", 0.0),
    ):
        near, far = _split(run.one(name), times)
        if near and sum(near) / len(near) > least and (not far or sum(near) / len(near) > 1.5 * sum(far) / len(far)):
            reasons.append(words.format(sum(near) / len(near)))
    near, far = _split(run.one("cpu_hz"), times)
    if near and far and sum(near) / len(near) < 0.9 * sum(far) / len(far):
        reasons.append(f"the CPU ran at {sum(near) / len(near) / 1e6:.0f} MHz")
    return f"; {' and '.join(reasons)} then" if reasons else ""


def _split(series: Series | None, times: list[float]) -> tuple[list[float], list[float]]:
    """Readings near any of the times, and the others."""
    near: list[float] = []
    far: list[float] = []
    for time, value in zip(series.t_s, series.values, strict=True) if series else ():
        (near if any(abs(time - other) <= NEAR_S for other in times) else far).append(value)
    return near, far
