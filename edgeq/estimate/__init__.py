"""The verb `estimate`: what one inference of a bundle takes on a target, from measured tables, with error bars; or "no
data" (docs/estimate.md)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgeq.bundle import MODEL, Bundle
from edgeq.errors import UsageError
from edgeq.estimate.learned import keep, kept_folder, tables_in
from edgeq.estimate.model import CONFIDENCE, FEWEST, Left, Told, interval, learn, leave_one_out, predict
from edgeq.estimate.published import published
from edgeq.estimate.table import Item, Key, Table, shape_of
from edgeq.estimate.work import items_of
from edgeq.target import TargetProfile

__all__ = ["CONFIDENCE", "Estimate", "Key", "Table", "estimate", "keep", "kept_folder", "published", "tables_in"]


@dataclass(frozen=True)
class Energy:
    """Of one inference, in uJ: time x the active power of the target's profile; both errors are in `low` and `high`."""

    uj: float
    low: float
    high: float
    power_mw: float
    source: str


@dataclass(frozen=True)
class Estimate:
    """What was found for one bundle and one target. `total`, `low` and `high` (90 %) are in `unit`, of one inference;
    None where there is no data, and `why` says what is lacking. `covered` is the sum of the ops that have a cost,
    `overhead` what the total has beyond it. `seen` are whole measurements of this very network in the table.
    `near` are tables that come near: same target or core, other runtime, threads or mode.
    """

    bundle: str
    target: str
    wanted: Key
    macs: int
    table: Table | None = None
    total: float | None = None
    low: float | None = None
    high: float | None = None
    covered: float = 0.0
    why: str = ""
    ops: tuple[Told, ...] = ()
    left: tuple[Left, ...] = ()
    seen: tuple[float, ...] = ()
    near: tuple[str, ...] = ()
    energy: Energy | None = None

    @property
    def unit(self) -> str:
        return self.table.key.unit if self.table else self.wanted.unit

    @property
    def fits(self) -> bool:
        """Whether the table is of what was wanted, and not only what was named."""
        return self.table is not None and _fits(self.table.key, self.wanted)

    def to_json(self) -> dict[str, Any]:
        """`how` is `estimated`; figures are null where there is no data."""
        table = self.table
        return {
            "bundle": self.bundle,
            "target": self.target,
            "how": "estimated",
            "unit": self.unit,
            "total": self.total,
            "low": self.low,
            "high": self.high,
            "confidence": CONFIDENCE,
            "why": self.why,
            "energy_uj": self.energy and asdict(self.energy),
            "wanted": str(self.wanted),
            "fits": self.fits,
            "table": table and {"name": table.name, "key": str(table.key), "own": table.own, "source": table.source},
            "macs": self.macs,
            "covered": self.covered,
            "ops": [_op(told) for told in self.ops],
            "missing": [_op(told) for told in self.ops if told.cost is None],
            "left_out": [
                {
                    "model": one.model,
                    "measured": one.measured,
                    "predicted": one.predicted,
                    "error_pct": None if one.error is None else 100 * one.error,
                    "beyond": one.beyond,
                    "why": one.why,
                }
                for one in self.left
            ],
            "measured_before": list(self.seen),
            "near": list(self.near),
        }


def _op(told: Told) -> dict[str, Any]:
    item = told.item
    return {
        "index": item.index,
        "op": item.op,
        "variant": item.variant or None,
        "name": item.name,
        "macs": item.macs,
        "bytes": item.bytes,
        "cost": told.cost,
        "spread_pct": None if told.spread is None else 100 * told.spread,
        "why": told.why,
    }


def estimate(
    bundle: Bundle,
    target: TargetProfile,
    tables: Sequence[Table],
    *,
    runtime: str = "",
    threads: int = 0,
    name: str = "",
) -> Estimate:
    """Look for the table that fits the bundle on the target, or take the one called `name`, and tell what it says.

    `runtime` and `threads` are the target's unless given. `UsageError` where several tables fit, or none has the name.
    """
    wanted = _wanted(bundle, target, runtime, threads)
    model = bundle.path(MODEL).read_bytes()
    table = _named(tables, name) if name else _fitting(tables, wanted)
    items = items_of(model, table.key.runtime if table else wanted.runtime)
    start = Estimate(bundle.name, target.name, wanted, sum(item.macs for item in items))
    if table is None:
        near = sorted(
            other.name for other in tables if wanted.target == other.key.target or wanted.cpu == other.key.cpu
        )
        return replace(start, why=f"no measurement of {wanted} has been learned", near=tuple(near))
    found = _told(start, table, items)
    return replace(found, energy=_energy(found, target))


def _told(start: Estimate, table: Table, items: Sequence[Item]) -> Estimate:
    told, left = predict(learn(table.measured), items), leave_one_out(table.measured)
    shape = shape_of(items)
    found = replace(
        start,
        table=table,
        ops=told.ops,
        covered=told.covered,
        left=left,
        seen=tuple(one.whole for one in table.measured if one.shape == shape),
        why=told.why,
    )
    if told.total is None:
        return found
    bars = interval(told.total, left)
    if bars is None:
        known = sum(one.predicted is not None for one in left)
        models = f"{table.models} model{'s' * (table.models != 1)}"
        why = f"no error bars: of the table's {models} {known} can be told by the others, {FEWEST} are needed"
        return replace(found, why=why)
    return replace(found, total=told.total, low=bars[0], high=bars[1])


def _energy(found: Estimate, target: TargetProfile) -> Energy | None:
    """Nothing where there is no time, where the table is of another device, and where the profile has no power."""
    table, power = found.table, target.power
    if table is None or power is None or found.unit != "ns" or table.key.target != target.name:
        return None
    if found.total is None or found.low is None or found.high is None:
        return None
    low, high = (max(0.0, 1 + sign * power.error_pct / 100) * power.active_mw / 1e6 for sign in (-1, 1))
    return Energy(
        found.total * power.active_mw / 1e6, found.low * low, found.high * high, power.active_mw, power.source
    )


def _wanted(bundle: Bundle, target: TargetProfile, runtime: str, threads: int) -> Key:
    own = target.runtime
    pinned = bundle.manifest["runtime"] if bundle.target == target.name else {}
    return Key(
        target=target.name,
        cpu=target.cpu.core,
        runtime=runtime or str(pinned.get("name") or own.name),
        version="" if runtime else str(pinned.get("version") or own.version),
        kernels="" if runtime else own.kernels,
        threads=threads or int(pinned.get("threads") or own.threads),
        mode=str(bundle.manifest["mode"]),
    )


def _fitting(tables: Sequence[Table], wanted: Key) -> Table | None:
    fits = [table for table in tables if _fits(table.key, wanted)]
    timed = [table for table in fits if table.key.unit == "ns"]
    fits = timed or fits
    if len(fits) > 1:
        names = ", ".join(table.name for table in fits)
        raise UsageError(f"{len(fits)} tables fit {wanted}: {names}.", "Choose one with --table.")
    return fits[0] if fits else None


def _fits(key: Key, wanted: Key) -> bool:
    same = (key.target, key.runtime, key.threads, key.mode) == (
        wanted.target,
        wanted.runtime,
        wanted.threads,
        wanted.mode,
    )
    return same and wanted.version in ("", key.version) and wanted.kernels in ("", key.kernels)


def _named(tables: Sequence[Table], name: str) -> Table:
    for table in tables:
        if table.name == name:
            return table
    near = difflib.get_close_matches(name, [table.name for table in tables], 1, 0.4)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    raise UsageError(f"There is no table '{name}'.", f"{hint}'edgeq estimate tables' lists them all.")
