"""A profile as a table for people: one row for each op, then what lies between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgeq.report.ops import named
from edgeq.units import format_percent, format_seconds, three_digits

LONGEST_NAME = 28
FIGURES = (0, 4, 5, 6, 7, 8, 9)
PER = {"ns": "MACs/ns", "instructions": "MACs/instr"}


def profile_text(profile: Mapping[str, Any], title: str, top: int = 0) -> str:
    """The headline, the table, and the notes; `top` leaves only so many of the slowest, slowest first, and sums up the
    others."""
    unit = profile["unit"]
    ops = [op for op in profile["ops"] if op["count"]]
    shown = sorted(ops, key=lambda op: -op["mid"])[:top] if top else ops
    rest = [op for op in ops if op not in shown]
    clock = profile.get("clock_ns", 0)
    rows = [_row(op, unit, clock) for op in shown]
    if rest:
        spent, share = sum(op["mid"] for op in rest), sum(op["share"] for op in rest)
        rows.append(("", f"{len(rest)} others", "", "", _spent(spent, unit), "", "", format_percent(share, 1), "", ""))
    heads = ("op", "operator", "output", "kernel", _head(unit), "min", "max", "share", "MACs", PER[unit])
    lines = [
        f"{title} takes {_said(profile['whole'], unit)} per inference ({profile['how']}), "
        f"{_said(profile['total'], unit)} in its {len(ops)} ops, {_between(profile['between'], unit)}",
        f"{_runs(profile)} by {profile['source']}{_kernels(profile)}",
        *_columns(heads, rows),
        *_within(profile),
        *profile.get("notes", ()),
    ]
    return "\n".join(lines)


def _row(op: Mapping[str, Any], unit: str, clock: int) -> tuple[str, ...]:
    """What takes less than a tick of the clock has no figures: they would be of the clock, not of the op."""
    told = op["mid"] >= clock
    macs = op.get("macs") or 0
    return (
        str(op.get("index", "")),
        named(op),
        _short(op.get("name") or ""),
        op["kernel"],
        _spent(op["mid"], unit) if told else f"< {_spent(clock, unit)}",
        *(_spent(op[key], unit) if op[key] >= clock else "" for key in ("min", "max")),
        format_percent(op["share"], 1) if told else "",
        f"{macs:,}" if macs else "",
        three_digits(macs / op["mid"]) if macs and told and op["mid"] else "",
    )


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Plain columns; the place and the figures are set right."""
    widths = [max(len(line[column]) for line in (heads, *rows)) for column in range(len(heads))]
    for line in (heads, ["-" * width for width in widths], *rows):
        cells = zip(line, widths, range(len(widths)), strict=True)
        yield "  ".join(
            cell.rjust(width) if column in FIGURES else cell.ljust(width) for cell, width, column in cells
        ).rstrip()


def _short(name: str) -> str:
    """The end of a tensor's name: of the ops that a converter joined the first."""
    name = name.partition(";")[0]
    return name if len(name) <= LONGEST_NAME else "..." + name[3 - LONGEST_NAME :]


def _head(unit: str) -> str:
    return "time" if unit == "ns" else unit


def _spent(value: float, unit: str) -> str:
    return format_seconds(value / 1e9) if unit == "ns" else f"{value:,.0f}"


def _said(value: float, unit: str) -> str:
    return _spent(value, unit) + ("" if unit == "ns" else " instructions")


def _between(value: float, unit: str) -> str:
    """What lies between ops; where they add up to more than a whole inference, measuring them cost that."""
    return f"{_said(value, unit)} between them" if value >= 0 else f"{_said(-value, unit)} of that for measuring them"


def _runs(profile: Mapping[str, Any]) -> str:
    return f"{profile['runs']} run{'s' * (profile['runs'] != 1)}"


def _kernels(profile: Mapping[str, Any]) -> str:
    if "kernels" not in profile:
        return ""
    threads = profile["threads"]
    return f"; {profile['kernels']} kernels, {threads} thread{'s' * (threads != 1)}"


def _within(profile: Mapping[str, Any]) -> list[str]:
    idle = [f"{op['op']} {op['index']}" for op in profile["ops"] if not op["count"]]
    return [f"Without a kernel of their own: {', '.join(idle)}."] if idle else []
