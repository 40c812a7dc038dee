"""The table of a profile, one for Linux and microcontrollers: rows of ops, in the form of `Run.profile`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeq.model.opwork import OpWork
from edgeq.model.window import Window

WITHIN = "none of its own"
"""The kernel of an op that another does in passing, or that only says how memory is to be read."""


@dataclass(frozen=True)
class Row:
    """One op of the model, or what the runtime executed that belongs to none (`index` is None then).

    `index` is its place in the model's main graph, `name` its first output's, `kernel` what executed it, `count` how
    many kernels that took in one inference, `spent` what all of them took in each run, in the profile's unit. `also`
    are other ops of the model that the same kernel does, `also_ops` what they are. `outputs`, `macs`, `bytes` and
    `window` as in `edgeq.model.opwork`.
    """

    op: str
    kernel: str
    spent: Sequence[int]
    count: int = 1
    index: int | None = None
    name: str | None = None
    macs: int | None = None
    bytes: int | None = None
    also: tuple[int, ...] = field(default=())
    also_ops: tuple[str, ...] = field(default=())
    outputs: int | None = None
    window: Window | None = None

    def to_json(self, total: float) -> dict[str, Any]:
        """Figures of all runs; `mid` is the mean of their middle half and `share` its part of `total`, 0 where
        everything was too quick for the clock."""
        mid = middle(self.spent)
        return {
            **({} if self.index is None else {"index": self.index}),
            "op": self.op,
            "name": self.name,
            "kernel": self.kernel,
            "count": self.count,
            "first": self.spent[0],
            "last": self.spent[-1],
            "avg": statistics.fmean(self.spent),
            "mid": mid,
            "min": min(self.spent),
            "max": max(self.spent),
            "std": statistics.pstdev(self.spent),
            "share": mid / total if total else 0.0,
            "macs": self.macs,
            "bytes": self.bytes,
            **({} if self.outputs is None else {"outputs": self.outputs}),
            **({"window": self.window.to_json()} if self.window else {}),
            **({"also": list(self.also), "also_ops": list(self.also_ops)} if self.also else {}),
        }


def row_of(index: int, work: OpWork, kernel: str, spent: Sequence[int], count: int = 1) -> Row:
    """The row of one op of the model."""
    return Row(
        work.op,
        kernel,
        spent,
        count,
        index,
        work.name or None,
        work.macs,
        work.bytes,
        outputs=work.outputs,
        window=work.window,
    )


def middle(values: Sequence[int]) -> float:
    """The mean of the middle half: as fine as a mean where the clock is coarse, as robust as a median."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return statistics.fmean(ordered[quarter : len(ordered) - quarter])


def profiled(
    rows: Sequence[Row], whole: Sequence[int], facts: Mapping[str, Any], notes: Sequence[str]
) -> dict[str, Any]:
    """`Run.profile`: `facts` are `unit`, `how`, `source` and what else is known; `whole` are inferences that were not
    profiled. `total` is the sum of what all ops take, `between` what an inference takes beyond it; both of means of the
    middle half of the runs, as one that something else held up says nothing of the model."""
    total = sum(middle(row.spent) for row in rows)
    return {
        **facts,
        "runs": len(rows[0].spent) if rows else 0,
        "whole": statistics.median(whole),
        "total": total,
        "between": middle(whole) - total,
        "ops": [row.to_json(total) for row in rows],
        "notes": list(notes),
    }
