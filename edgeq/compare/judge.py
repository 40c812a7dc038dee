"""One metric of two sides, held against its rule of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, hypot, log
from typing import Any

from edgeq.compare.difference import Difference, difference
from edgeq.compare.metrics import accuracy, energy, samples, value
from edgeq.compare.policy import Rule
from edgeq.run import Run

_MODELLED = "Modelled energy is power times latency, which is compared already."
STATUSES = ("regression", "unsure", "missing", "refused", "worse", "same", "better")
"""`worse` is worse by more than the margin and not by more than is allowed; `unsure`: not enough samples to tell."""
GATES = ("fail", "warn", "pass")
_BITS = 1e-12
MOST_NEEDED = 1_000_000
FEWEST_VALUES = 6
"""Values, of one a run, that bound a median."""


@dataclass(frozen=True)
class Judged:
    """One metric, compared. `base`, `new` and limits are in the metric's base unit, `change`, `low`, `high`, `limit`
    and `margin` too, or fractions of `base` where `relative`; a positive change is a rise, whatever is better.

    `gate` is what the policy makes of it: pass, warn or fail. `method` says how it was compared. `needed` is a guess of
    how many samples a side would be enough to tell.
    """

    name: str
    label: str
    unit: str
    told_in: str
    direction: str
    status: str
    gate: str
    method: str
    note: str = ""
    base: float | None = None
    new: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    relative: bool = True
    limit: float | None = None
    margin: float | None = None
    allowed: str = ""
    n: tuple[int, int] = (0, 0)
    needed: int | None = None


def judge(rule: Rule, base: Sequence[Run], new: Sequence[Run], confidence: float, refused: bool = False) -> Judged:
    """Compare one metric; `refused` where an objection stands against it."""
    found = _compare(rule, base, new, confidence)
    if refused and found.status != "missing":
        return replace(found, status="refused", gate="fail", low=None, high=None, change=None, needed=None, note="")
    return found


def _compare(rule: Rule, base: Sequence[Run], new: Sequence[Run], confidence: float) -> Judged:
    if rule.metric.kind == "quantile":
        return _quantile(rule, base, new, confidence)
    return {"value": _value, "energy": _energy, "accuracy": _accuracy}[rule.metric.kind](rule, base, new)


def _quantile(rule: Rule, base: Sequence[Run], new: Sequence[Run], confidence: float) -> Judged:
    metric = rule.metric
    sides = samples(metric, base), samples(metric, new)
    if not all(sides):
        return _missing(rule, [bool(side) for side in sides])
    found = difference(*sides, metric.quantile, relative=rule.max_regression.relative, confidence=confidence)
    relative = rule.max_regression.relative and found.base != 0
    if found.low is None and max(found.n) == 1 and metric.unit != "ns":
        found = replace(found, low=found.change, high=found.change)
    if found.low is None:
        return _too_few(rule, found, relative, confidence)
    exact = found.low == found.high
    block = "" if found.block == 1 else f", in blocks of {found.block}"
    method = "exact: every sample of a side is equal" if exact else f"block bootstrap of raw samples{block}"
    return _told(rule, found, relative, method, _apart(found, relative))


def _apart(found: Difference, relative: bool) -> str:
    """Where it is the runs of a side that differ, more samples would not help."""
    if not found.between or found.low is None or found.high is None:
        return ""
    apart = found.between if relative else found.between / abs(found.base or 1.0)
    told = f"Runs of one side differ by {apart * 100:.2g} % beyond their own noise"
    grave = found.between_reach > (found.high - found.low) / 4
    return f"{told}: bench where they agree, or give more runs a side." if grave else f"{told}."


def _too_few(rule: Rule, found: Difference, relative: bool, confidence: float) -> Judged:
    """No interval: say how many samples would give one."""
    if rule.metric.series != "invoke" and max(found.n) < FEWEST_VALUES:
        advice = f"There is one value a run: give at least {FEWEST_VALUES} runs a side (--base, --new)."
    else:
        q, worth = rule.metric.quantile, min(e / n for n, e in zip(found.n, found.effective, strict=True))
        fewest = ceil(log((1 - confidence) / 2) / log(max(q, 1 - q)) / worth)
        advice = f"It takes at least {fewest:,} samples a side to bound it at all."
    told = replace(found, low=found.change, high=found.change)
    judged = _told(rule, told, relative, "", advice)
    return replace(judged, status="unsure", gate=_gate(rule.unsure), low=None, high=None, method="too few samples")


def _value(rule: Rule, base: Sequence[Run], new: Sequence[Run]) -> Judged:
    before, after = value(rule.metric, base), value(rule.metric, new)
    if before is None or after is None:
        return _missing(rule, [before is not None, after is not None])
    several = " (the worst run of each side)" if max(len(base), len(new)) > 1 else ""
    return _fixed(rule, before, after, f"as it is, one value a run{several}", (len(base), len(new)))


def _accuracy(rule: Rule, base: Sequence[Run], new: Sequence[Run]) -> Judged:
    sides = [[found for run in side if (found := accuracy(run))] for side in (base, new)]
    if not all(sides):
        return _missing(rule, [bool(side) for side in sides])
    first, second = (min(side, key=lambda found: float(found["value"])) for side in sides)
    counts = first["samples"] or 0, second["samples"] or 0
    return _fixed(rule, first["value"], second["value"], "as it is, on the same samples", counts)


def _fixed(rule: Rule, before: float, after: float, method: str, n: tuple[int, int]) -> Judged:
    """Two figures without noise of their own."""
    relative = rule.max_regression.relative and before != 0
    change = after / before - 1 if relative else after - before
    return _told(rule, Difference(before, after, change, change, change, n, (1.0, 1.0), 1), relative, method)


def _energy(rule: Rule, base: Sequence[Run], new: Sequence[Run]) -> Judged:
    sides = [[metered for run in side if (metered := energy(run))] for side in (base, new)]
    if not all(sides):
        found = _missing(rule, [bool(side) for side in sides])
        modelled = any(run.one("energy") for run in (*base, *new))
        return replace(found, note=_MODELLED) if modelled and not any(sides) else found
    (first, u_first), (second, u_second) = (_mean(side) for side in sides)
    relative = rule.max_regression.relative and first > 0
    change, scale = (second / first - 1, first) if relative else (second - first, 1.0)
    reach = hypot(u_second, u_first * (second / first if relative else 1)) / scale
    interval = Difference(
        first, second, change, change - reach, change + reach, (len(sides[0]), len(sides[1])), (1.0, 1.0), 1
    )
    return _told(rule, interval, relative, "the meters' stated uncertainty, k = 2")


def _mean(side: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The mean of several runs; what a meter is off by it is off by in each, so uncertainty does not shrink."""
    return sum(each for each, _ in side) / len(side), max(uncertainty for _, uncertainty in side)


def _missing(rule: Rule, there: Sequence[bool]) -> Judged:
    gate = rule.missing if any(there) or rule.missing == "fail" else "ignore"
    where = "The base has it and the new run has not." if there[0] else "The base lacks it."
    where = where if any(there) else "Neither has it."
    return Judged(
        **_names(rule), status="missing", gate=_gate(gate), method="", note=where, allowed=rule.max_regression.text
    )


def _told(rule: Rule, found: Difference, relative: bool, method: str, note: str = "") -> Judged:
    assert found.low is not None and found.high is not None
    limit = max(rule.max_regression.of(found.base, relative), rule.margin.of(found.base, relative))
    margin = rule.margin.of(found.base, relative)
    sign = 1 if rule.direction == "lower" else -1
    least, most = sorted((sign * found.low, sign * found.high))
    status = _status(least, most, limit, margin)
    needed = None
    if status == "unsure":
        apart = found.between_reach > (most - least) / 4
        needed = None if apart else _needed(found, sign * found.change, limit, (most - least) / 2)
        note = note if apart else f"{_enough(needed)} {note}".strip()
    gate = {"regression": "fail", "unsure": _gate(rule.unsure)}.get(status, "pass")
    return Judged(
        **_names(rule),
        status=status,
        gate=gate,
        method=method,
        note=note,
        base=found.base,
        new=found.new,
        change=found.change,
        low=found.low,
        high=found.high,
        relative=relative,
        limit=limit,
        margin=margin,
        allowed=rule.max_regression.text,
        n=found.n,
        needed=needed,
    )


def _status(least: float, most: float, limit: float, margin: float) -> str:
    """`least` and `most` bound how much worse it got. A whole interval beyond the limit is a regression; what equals
    the limit but for the last bits of a float is not beyond it."""
    limit, margin = (edge + _BITS * max(1.0, edge) for edge in (limit, margin))
    if least > limit:
        return "regression"
    if most > limit:
        return "unsure"
    if least > margin:
        return "worse"
    return "better" if most < -margin else "same"


def _needed(found: Difference, worse: float, limit: float, reach: float) -> int | None:
    """Samples a side for an interval that ends at the limit, were the difference what it seems to be."""
    away = abs(worse - limit)
    if away == 0 or reach == 0 or max(found.n) < FEWEST_VALUES:
        return None
    needed = ceil(max(found.n) * (reach / away) ** 2 * 1.1)
    return needed if needed <= MOST_NEEDED else None


def _enough(needed: int | None) -> str:
    if needed is None:
        return "The difference is too close to what is allowed to be told from it."
    return f"About {_rounded(needed):,} samples a side would tell, if the difference is what it seems."


def _rounded(count: int) -> int:
    """Two digits are all that a guess has."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return ceil(count / step) * step


def _gate(answer: str) -> str:
    return {"fail": "fail", "warn": "warn"}.get(answer, "pass")


def _names(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.metric.name,
        "label": rule.metric.label,
        "unit": rule.metric.unit,
        "told_in": rule.unit,
        "direction": rule.direction,
    }
