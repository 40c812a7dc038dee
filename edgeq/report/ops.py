"""Where the time of one inference goes: the ops of a profile, with their shares and what lies between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.report.figures import mapping, number
from edgeq.run import HOW, Run


@dataclass(frozen=True)
class Op:
    """One op, with its place in the model (None for what the runtime adds): what it took, at least and at most, in the
    profile's unit, and its part of all ops."""

    index: int | None
    op: str
    name: str
    kernel: str
    spent: float
    min: float | None
    max: float | None
    macs: float | None
    share: float


@dataclass(frozen=True)
class Ops:
    """A profile, told. `whole` is one invoke; `between` what no op accounts for, never below 0. `unit`: ns or
    instructions; `middle` says whether what an op took is a middle of its runs, or their average; `tick` is what the
    clock can tell apart, 0 where that is not known."""

    unit: str
    how: str
    source: str
    runs: int
    whole: float
    between: float
    middle: bool
    tick: float
    notes: tuple[str, ...]
    ops: tuple[Op, ...]

    def slowest(self, most: int) -> tuple[Op, ...]:
        """The greatest first."""
        return tuple(sorted(self.ops, key=lambda each: -each.spent)[:most])


def ops(run: Run) -> Ops | None:
    """The run's profile, None where nobody asked for one."""
    told = mapping(run.profile)
    rows = [mapping(item) for item in told.get("ops") or ()]
    rows = [row for row in rows if _spent(row) is not None and number(row.get("count")) != 0]
    if not rows:
        return None
    total = sum(_spent(row) or 0.0 for row in rows)
    whole = number(told.get("whole")) or total
    between = number(told.get("between"))
    how = str(told.get("how"))
    return Ops(
        unit=str(told.get("unit") or "ns"),
        how=how if how in HOW else ("emulated" if run.device.get("emulated") else "measured"),
        source=str(told.get("source") or ""),
        runs=int(number(told.get("runs")) or 0),
        whole=whole,
        # Of a noisy device more may lie between the ops of one inference than the middle of them takes as a whole.
        between=max(0.0, whole - total if between is None else min(between, whole - total)),
        tick=number(told.get("clock_ns")) or 0.0,
        notes=tuple(map(str, told.get("notes") or ())),
        middle=any("mid" in row for row in rows),
        ops=tuple(_op(row, total) for row in rows),
    )


def named(row: Mapping[str, Any]) -> str:
    """What an op is called: with its filter where that is known, as 3x3/2 (its stride) d4 (its dilation), and with the
    places of the ops that it does in passing."""
    also = "".join(f" +{other}" for other in row.get("also") or ())
    return f"{row.get('op') or 'op'}{_filter(row.get('window'))}{also}"


def _filter(window: Any) -> str:
    try:
        size, stride, dilation = ([int(side) for side in window[name]] for name in ("size", "stride", "dilation"))
    except (KeyError, TypeError, ValueError):
        return ""
    parts = (_sides(pair, sign) for pair, sign in ((stride, "/"), (dilation, " d")) if max(pair, default=1) > 1)
    return " " + "x".join(map(str, size)) + "".join(parts)


def _sides(pair: list[int], sign: str) -> str:
    same = len(set(pair)) == 1
    return sign + (str(pair[0]) if same else "x".join(map(str, pair)))


def _spent(row: Mapping[str, Any]) -> float | None:
    middle = number(row.get("mid"))
    return number(row.get("avg")) if middle is None else middle


def _op(row: Mapping[str, Any], total: float) -> Op:
    spent, index = _spent(row) or 0.0, number(row.get("index"))
    return Op(
        index=None if index is None else int(index),
        op=named(row),
        name=str(row.get("name") or ""),
        kernel=str(row.get("kernel") or ""),
        spent=spent,
        min=number(row.get("min")),
        max=number(row.get("max")),
        macs=number(row.get("macs")),
        share=spent / total if total else 0.0,
    )
