"""What an estimate looks like: the total with its interval, how wrong it was before, ops, and what is lacking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeq.host.console import table
from edgeq.units import format_seconds, three_digits

if TYPE_CHECKING:
    from edgeq.estimate import Estimate, Table
    from edgeq.estimate.model import Told

LONGEST_NAME = 28


def estimate_text(found: Estimate, top: int = 0) -> str:
    """Everything; `top` leaves only so many of the most expensive ops."""
    parts = [_headline(found), *_notes(found)]
    if found.ops:
        parts.append(_ops(found, top))
    if found.left:
        parts.append(_left(found))
    return "\n".join(parts)


def said(value: float, unit: str) -> str:
    """A figure in its unit."""
    return _cell(value, unit) + ("" if unit == "ns" else f" {unit}")


def _cell(value: float, unit: str) -> str:
    """The same in a column whose head says the unit."""
    text = format_seconds(abs(value) / 1e9) if unit == "ns" else f"{abs(value):,.0f}"
    return f"-{text}" if value < 0 else text


def _headline(found: Estimate) -> str:
    start = f"{found.bundle} on {found.target}: "
    if found.total is None or found.low is None or found.high is None:
        return f"{start}no data: {found.why}."
    low, high = said(found.low, found.unit), said(found.high, found.unit)
    return f"{start}{said(found.total, found.unit)} per inference, {low} to {high} (estimated, 90 % interval)"


def _notes(found: Estimate) -> list[str]:
    used = found.table
    if used is None:
        lines = [f"Tables that come near: {', '.join(found.near)}."] if found.near else []
        hint = "--table NAME takes one of them for what it is. " if found.near else ""
        return [*lines, f"{hint}Measure: edgeq bench DEVICE --profile -o run.json; edgeq estimate learn run.json"]
    lines = [f"table    {used.name}: {used.key}", f"source   {used.source}"]
    if not found.fits:
        lines.append(f"warning  This is not {found.wanted}.")
    if found.unit != "ns":
        lines.append("warning  Instructions are no time: no measured table of this core was learned.")
    if found.seen:
        lines.append(f"measured This network itself took {', '.join(said(one, found.unit) for one in found.seen)}.")
    if found.energy:
        uj, low, high = (three_digits(value) for value in (found.energy.uj, found.energy.low, found.energy.high))
        power = f"{found.energy.power_mw:,g} mW of the target's profile"
        lines.append(f"energy   {uj} uJ, {low} to {high} (time x {power})")
    missing = [told for told in found.ops if told.cost is None]
    if missing:
        lines.append(f"missing  {len(missing)} of {len(found.ops)} ops have no data and count nothing:")
        lines += [f"         {told.item.kind} {told.item.index}: {told.why}" for told in missing]
    return lines


def _ops(found: Estimate, top: int) -> str:
    known = [told for told in found.ops if told.cost is not None]
    known.sort(key=lambda told: -(told.cost or 0) if top else told.item.index)
    shown = known[:top] if top else known
    rows = [_row(told, found) for told in shown]
    if len(shown) < len(known):
        rest = sum(told.cost or 0 for told in known[top:])
        rows.append(("", f"{len(known) - top} others", "", "", _cell(rest, found.unit), "", _share(rest, found)))
    if found.total is not None:
        rows.append(("", "beyond ops", "", "", _cell(found.total - found.covered, found.unit), "", ""))
    return table(("op", "operator", "output", "MACs", _head(found.unit), "+-", "share"), rows)


def _head(unit: str) -> str:
    return "time" if unit == "ns" else unit


def _row(told: Told, found: Estimate) -> tuple[str, ...]:
    item, cost = told.item, told.cost or 0.0
    name = item.name.partition(";")[0]
    name = name if len(name) <= LONGEST_NAME else "..." + name[3 - LONGEST_NAME :]
    spread = "" if told.spread is None else f"{100 * told.spread:.0f} %"
    macs = f"{item.macs:,}" if item.macs else ""
    return str(item.index), item.kind, name, macs, _cell(cost, found.unit), spread, _share(cost, found)


def _share(cost: float, found: Estimate) -> str:
    return f"{100 * cost / found.covered:.1f} %" if found.covered else ""


def _left(found: Estimate) -> str:
    """Each model of the table, told by the others alone."""
    rows = []
    for one in found.left:
        told = "no data" if one.predicted is None else _cell(one.predicted, found.unit)
        beyond = " (beyond what the others show)" if one.beyond else ""
        error = one.why if one.error is None else f"{100 * one.error:+.0f} %{beyond}"
        rows.append((one.model, _cell(one.measured, found.unit), told, error))
    unit = "" if found.unit == "ns" else f" ({found.unit})"
    return f"Each model left out and told by the others{unit}:\n" + table(("model", "measured", "told", "error"), rows)


def tables_rows(found: Sequence[Table]) -> list[tuple[str, ...]]:
    """One line for each table."""
    return [
        (
            one.name,
            "own" if one.own else "published",
            str(one.models),
            "ops" if one.measured[0].ops else "models",
            one.key.unit,
        )
        for one in found
    ]
