"""Where the time of one inference goes: the ops of a profile, with their shares and what lies between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.report.figures import mapping, number
from edgeq.run import HOW, Run


@dataclass(frozen=True)
class Op:
    """One op in its place: its average, least and greatest in the profile's unit, and its part of a whole invoke."""

    index: int
    op: str
    name: str
    kernel: str
    avg: float
    min: float | None
    max: float | None
    macs: float | None
    share: float


@dataclass(frozen=True)
class Ops:
    """A profile, told. `whole` is one invoke; `between` what no op accounts for, never below 0. `unit`: ns or
    instructions."""

    unit: str
    how: str
    source: str
    runs: int
    whole: float
    between: float
    ops: tuple[Op, ...]

    def slowest(self, most: int) -> tuple[Op, ...]:
        """The greatest first."""
        return tuple(sorted(self.ops, key=lambda each: -each.avg)[:most])


def ops(run: Run) -> Ops | None:
    """The run's profile, None where nobody asked for one."""
    told = mapping(run.profile)
    rows = [mapping(item) for item in told.get("ops") or () if number(mapping(item).get("avg")) is not None]
    if not rows:
        return None
    total = sum(number(row["avg"]) or 0.0 for row in rows)
    whole = max(number(told.get("whole")) or 0.0, total)
    how = str(told.get("how"))
    return Ops(
        unit=str(told.get("unit") or "ns"),
        how=how if how in HOW else ("emulated" if run.device.get("emulated") else "measured"),
        source=str(told.get("source") or ""),
        runs=int(number(told.get("runs")) or 0),
        whole=whole,
        between=whole - total,
        ops=tuple(_op(row, place, whole) for place, row in enumerate(rows)),
    )


def _op(row: Mapping[str, Any], place: int, whole: float) -> Op:
    avg = number(row["avg"]) or 0.0
    index = number(row.get("index"))
    return Op(
        index=place if index is None else int(index),
        op=str(row.get("op") or "op"),
        name=str(row.get("name") or ""),
        kernel=str(row.get("kernel") or ""),
        avg=avg,
        min=number(row.get("min")),
        max=number(row.get("max")),
        macs=number(row.get("macs")),
        share=avg / whole if whole else 0.0,
    )
