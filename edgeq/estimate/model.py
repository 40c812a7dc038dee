"""What ops cost: learned from measured models, told of another one, and tried on each model without itself.

The cost of an op is each + per_mac x multiply-accumulates + per_byte x bytes + per_output x values that it writes
+ per_gathered x values that its filter gathers + per_joined x values that it makes for another op in passing, none of
them negative, one set for each kind of op, times a factor for each of its variants (dilated, 1x1). Between two sizes
that were seen the line is trusted, beyond them nothing is.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgeq.estimate.solve import fit
from edgeq.estimate.table import Item, Measured, Size, Spent

MISSING = 0.05
"""A total is told where ops without data have at most this part of the multiply-accumulates and of the bytes."""
FEWEST = 3
"""So many models must be told without themselves before there are error bars."""
QUICK = 0.5
"""A total is told where at most this part of it is too quick for the profiler's clock."""
TRIFLE = 0.001
"""Of an inference: what costs less is not fitted closer than that."""
APART = 2
"""So many times larger than the least must the largest op be before a part that does not grow is told apart."""
MANY = 5
"""Different sizes that it takes to tell multiply-accumulates from bytes, and both from the others."""
TURNS = 4
"""Of fitting the line and the factors of variants; the last is the line's."""
CONFIDENCE = 0.90
STUDENT = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753)
"""95 % quantiles of Student's t with 1, 2 ... degrees of freedom: 90 % lie between both tails."""
NORMAL = 1.645


@dataclass(frozen=True)
class Cost:
    """What an op of one kind costs, in the table's unit. `low` and `high` are the least and the most that was seen of
    multiply-accumulates and bytes, `seen` how many measurements there were, `spread` their distance from the line, as
    a fraction (one standard deviation); None where the line goes through all of them anyway."""

    op: str
    each: float
    per: tuple[float, ...]
    """For each part of a `Size`, in its order."""
    low: Size
    high: Size
    seen: int
    spread: float | None
    factors: Mapping[str, float] | None = None
    """By variant; that which was seen most has 1. None where some of the runs do not tell variants apart."""

    def of(self, item: Item) -> float:
        line = self.each + sum(cost * value for cost, value in zip(self.per, item.size, strict=True))
        return line * (self.factors[item.variant or ""] if self.factors else 1.0)

    def missing(self, item: Item) -> str:
        """Why this says nothing of an op; empty where it does."""
        return self.unlike(item) or self._beyond(item)

    def unlike(self, item: Item) -> str:
        """Whether it is of a variant that was never seen."""
        if self.factors is None or (item.variant or "") in self.factors:
            return ""
        seen = " and ".join(sorted(variant or "plain" for variant in self.factors))
        return f"only {seen} ones were seen"

    def _beyond(self, item: Item) -> str:
        for name, what in (("macs", "multiply-accumulates"), ("bytes", "bytes")):
            low, value, high = (getattr(size, name) for size in (self.low, item.size, self.high))
            if not low <= value <= high:
                return f"{value:,} {what}, seen were {low:,} to {high:,}"
        return ""


@dataclass(frozen=True)
class Costs:
    """All that a set of measured models says. A whole inference is `factor` x what its ops cost + `extra` + `between` x
    the number of its ops. Where nobody looked at ops, `ops` is empty and `rate` tells whole models by their
    multiply-accumulates alone. `step` is the coarsest of the profilers' clocks."""

    ops: Mapping[str, Cost]
    factor: float = 1.0
    extra: float = 0.0
    between: float = 0.0
    step: float = 0.0
    rate: Cost | None = None


@dataclass(frozen=True)
class Told:
    """One op with its cost, or with the reason why there is none."""

    item: Item
    cost: float | None
    spread: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Prediction:
    """`total` of one inference; None where too much of the work has no data: `why` says so. `ops` is empty where only
    whole models were measured. `covered` is the sum of the ops that have a cost."""

    total: float | None
    why: str
    ops: tuple[Told, ...] = ()
    covered: float = 0.0


@dataclass(frozen=True)
class Left:
    """One model, told by all the others: `error` is predicted / measured - 1; None with the reason `why` not. `beyond`
    says that it is larger, smaller or quicker than what the others have shown, which an estimate never is."""

    model: str
    measured: float
    predicted: float | None
    why: str = ""
    beyond: bool = False

    @property
    def error(self) -> float | None:
        return None if self.predicted is None else self.predicted / self.measured - 1


def learn(measured: Sequence[Measured]) -> Costs:
    """Costs out of at least one measured model; either all of them by ops, or none."""
    if not measured[0].ops:
        return Costs({}, rate=_rate(measured))
    coarse = any(spent.variant is None for one in measured for spent in one.ops)
    kinds: dict[str, list[tuple[Spent, float]]] = {}
    for one in measured:
        for spent in one.ops:
            kinds.setdefault(spent.op, []).append((spent, max(one.coarse, TRIFLE * one.whole)))
    sums = [sum(spent.took for spent in one.ops) for one in measured]
    beyond = [one.whole - total for one, total in zip(measured, sums, strict=True)]
    step = max(one.coarse for one in measured)
    costs = Costs({op: _cost(op, found, coarse) for op, found in kinds.items()}, step=step)
    if statistics.median(beyond) >= 0:
        extra, between = _beyond([len(one.items) for one in measured], beyond, sums)
        return replace(costs, extra=extra, between=between)
    # To time each op costs something, too: the ops take more than an inference that nobody looks into.
    ratios = [one.whole / total for one, total in zip(measured, sums, strict=True) if total]
    return replace(costs, factor=statistics.median(ratios))


def _beyond(counts: Sequence[int], beyond: Sequence[float], sums: Sequence[float]) -> tuple[float, float]:
    """What an inference takes beyond its ops: once, and for each of them. A profiler that tells whole microseconds
    leaves part of every op here."""
    apart = max(counts) > APART * min(counts)
    found = fit([[1, count] if apart else [1] for count in counts], beyond, sums)
    return float(found[0]), float(found[1]) if apart else 0.0


Row = tuple[int, ...]
"""Ops that were timed together: how many, and the sum of each part of their sizes."""
EACH, MACS, BYTES = 0, 1, 2
FINER = 2
"""From that part of a `Size` on older runs have none."""


def _cost(op: str, found: Sequence[tuple[Spent, float]], coarse: bool) -> Cost:
    rows = [_row(spent.sizes, coarse) for spent, _ in found]
    took, floor = [spent.took for spent, _ in found], [least for _, least in found]
    variants = ["" if coarse else spent.variant or "" for spent, _ in found]
    columns = _columns(rows)
    costs, factors = _line(rows, columns, variants, took, floor)
    sizes = [size for spent, _ in found for size in spent.sizes]
    spread, free = None, len(rows) - len(columns) - len(factors) + 1
    if len(set(rows)) > len(columns) and free > 0:
        told = [factors[variant] * _sum(costs, row) for row, variant in zip(rows, variants, strict=True)]
        errors = [math.log((a + c) / (b + c)) for a, b, c in zip(told, took, floor, strict=True)]
        spread = math.expm1(math.sqrt(sum(error**2 for error in errors) / free))
    low, high = (Size(*(most(part) for part in zip(*sizes, strict=True))) for most in (min, max))
    return Cost(op, costs[EACH], tuple(costs[MACS:]), low, high, len(found), spread, None if coarse else factors)


def _line(
    rows: Sequence[Row], columns: Sequence[int], variants: Sequence[str], took: Sequence[float], floor: Sequence[float]
) -> tuple[list[float], dict[str, float]]:
    """The cost of each part, and the factor of each variant, in turns: variants share one line, so that few of one do
    not need one of their own."""
    factors = dict.fromkeys(variants, 1.0)
    ((most, _),) = Counter(variants).most_common(1)
    for turn in range(TURNS if len(factors) > 1 else 1):
        scaled = [[factors[kind] * row[column] for column in columns] for row, kind in zip(rows, variants, strict=True)]
        fitted = dict(zip(columns, map(float, fit(scaled, took, floor)), strict=True))
        costs = [fitted.get(column, 0.0) for column in range(len(rows[0]))]
        for variant in factors if turn < TURNS - 1 else ():
            mine = [place for place, other in enumerate(variants) if other == variant != most]
            told = [(took[at] + floor[at]) / (factors[variant] * _sum(costs, rows[at]) + floor[at]) for at in mine]
            factors[variant] *= statistics.median(told) if told else 1.0
    return costs, factors


def _sum(costs: Sequence[float], row: Row) -> float:
    return sum(cost * value for cost, value in zip(costs, row, strict=True))


def _row(sizes: Sequence[Size], coarse: bool) -> Row:
    """Where some of the table's runs lack the finer parts, none has them."""
    sums = (sum(part) for part in zip(*sizes, strict=True))
    parts = tuple(0 if coarse and place >= FINER else value for place, value in enumerate(sums))
    return len(sizes), *parts


def _columns(rows: Sequence[Row]) -> tuple[int, ...]:
    """Which costs these rows can tell apart, by the places in a row."""
    work = next((column for column in (MACS, BYTES) if any(row[column] for row in rows)), EACH)
    sizes = [row[work] / row[EACH] for row in rows]
    if max(sizes) <= APART * min(sizes):
        return (work,)
    others = [column for column in range(work + 1, len(rows[0])) if any(row[column] for row in rows)]
    return (EACH, work) if len(set(rows)) < MANY else (EACH, work, *others)


def _rate(measured: Sequence[Measured]) -> Cost:
    logs = [math.log(one.whole / one.macs) for one in measured]
    macs = [one.macs for one in measured]
    per_mac = math.exp(statistics.fmean(logs))
    spread = math.expm1(statistics.stdev(logs)) if len(logs) > 1 else None
    return Cost("", 0.0, (per_mac, 0.0, 0.0, 0.0, 0.0), Size(min(macs), 0), Size(max(macs), 0), len(logs), spread)


def predict(costs: Costs, items: Sequence[Item], beyond: bool = False) -> Prediction:
    """What one inference of these ops takes; `beyond` the sizes that were seen only to learn how wrong that is."""
    if costs.rate is not None:
        whole = Item("", Size(sum(item.macs for item in items), 0))
        why = "" if beyond else costs.rate.missing(whole)
        return Prediction(None, f"it has {why}") if why else Prediction(costs.rate.of(whole), "")
    ops = tuple(_told(costs, item, beyond) for item in items)
    covered = sum(told.cost for told in ops if told.cost is not None)
    why = _too_much([told.item for told in ops if told.cost is None], items)
    total = _whole(costs, covered, len(items))
    why = why or ("" if beyond else _too_quick(costs, ops, total))
    return Prediction(None if why else total, why, ops, covered)


def _whole(costs: Costs, covered: float, count: int) -> float:
    return costs.factor * covered + costs.extra + costs.between * count


def _told(costs: Costs, item: Item, beyond: bool) -> Told:
    cost = costs.ops.get(item.op)
    if cost is None:
        return Told(item, None, why="this kind of op was never seen")
    why = cost.unlike(item) if beyond else cost.missing(item)
    return Told(item, None, why=why) if why else Told(item, cost.of(item), cost.spread)


def _too_quick(costs: Costs, ops: Sequence[Told], total: float) -> str:
    """A clock saw next to nothing of ops that take less than its step, and what it cut off is beyond the ops."""
    quick = sum(costs.factor * told.cost for told in ops if told.cost is not None and told.cost < costs.step)
    cut = min(total - costs.factor * sum(told.cost or 0.0 for told in ops), costs.step * len(ops))
    part = (quick + cut) / total if total else 0.0
    return f"{100 * part:.0f} % of it is quicker than the steps of the profiler's clock" if part > QUICK else ""


def _too_much(lacking: Sequence[Item], items: Sequence[Item]) -> str:
    for what, size in (("multiply-accumulates", lambda item: item.macs), ("bytes", lambda item: item.bytes)):
        part, whole = sum(map(size, lacking)), sum(map(size, items))
        if part > MISSING * whole:
            kinds = ", ".join(sorted({item.kind for item in lacking}))
            return (
                f"ops with {100 * part / whole:.0f} % of the {what} were never measured, or not in such sizes: {kinds}"
            )
    return ""


def leave_one_out(measured: Sequence[Measured]) -> tuple[Left, ...]:
    """Each model told by costs that were learned without it, and without any other that does the same work.

    The largest and the smallest are told, too, beyond what the others show: that is harder than what `predict` dares,
    and without them few models would tell nothing.
    """
    groups: dict[object, list[Measured]] = {}
    for one in measured:
        groups.setdefault(one.shape, []).append(one)
    found = []
    for shape, same in groups.items():
        others = [one for one in measured if one.shape != shape]
        whole = statistics.median(one.whole for one in same)
        if not others:
            found.append(Left(same[0].model, whole, None, "no other model was measured"))
            continue
        costs, items = learn(others), same[0].items or (Item("", Size(same[0].macs, 0)),)
        within, told = predict(costs, items), predict(costs, items, beyond=True)
        found.append(Left(same[0].model, whole, told.total, told.why, within.total is None and told.total is not None))
    return tuple(found)


def interval(total: float, left: Iterable[Left]) -> tuple[float, float] | None:
    """Where 90 % of such models lie, if the logarithms of their errors are normal and centred; None where fewer than
    FEWEST models could be told without themselves."""
    errors = [math.log(one.predicted / one.measured) for one in left if one.predicted]
    count = len(errors)
    if count < FEWEST:
        return None
    student = STUDENT[count - 1] if count <= len(STUDENT) else NORMAL
    reach = student * math.sqrt(sum(error**2 for error in errors) / count * (1 + 1 / count))
    return total * math.exp(-reach), total * math.exp(reach)
