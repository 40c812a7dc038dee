"""What an evaluation looks like: the figures, slices, corruptions, what is to be looked at, and gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgeq.host.console import table
from edgeq.units import format_percent

if TYPE_CHECKING:
    from edgeq.evaluate.evaluation import Evaluation

Told = tuple[Any, str]
SHOWN = 12
"""Of the slices by one column so many, those that lost most."""
FRACTION = "fraction"
ACCURACY = "accuracy"


def tell_evaluated(found: Evaluation, failed: Sequence[str], gates: Sequence[str] = ()) -> Told:
    """All of one evaluation; `gates` are those that were asked for, `failed` says of each that says no why."""
    document = found.document or {}
    told = {
        **document,
        "findings": [asdict(finding) for finding in found.findings],
        "notes": list(found.notes),
        "gates": {"passed": not failed, "failed": list(failed)},
    }
    parts = ["\n".join(figures(document)), *_slices(document)]
    if "corruptions" in document:
        parts.append(_corruptions(document))
    if "out_of_distribution" in document:
        parts.append(_others(document["out_of_distribution"]))
    looked = [f"warning  {note}" for note in found.notes]
    looked += [f"{finding.severity:8} {finding.message} {finding.hint}".rstrip() for finding in found.findings]
    looked += [f"gate     {sentence}" for sentence in failed]
    judged = any(row["judged"] and row["drop"] is not None for row in document.get("slices") or ())
    passed = [gate for gate in gates if gate != "max_slice_drop" or judged]
    if passed and not failed:
        looked.append(f"gates    {' and '.join(passed)} passed")
    if len(passed) < len(gates):
        looked.append("gates    max_slice_drop had nothing to judge: no slice has enough samples (--least)")
    return told, "\n\n".join([*parts, *(["\n".join(looked)] if looked else [])])


def figures(told: Mapping[str, Any], indent: str = "") -> list[str]:
    """The headline: both models, the loss, and how alike they are."""
    title, unit = told.get("title", ACCURACY), told.get("unit", FRACTION)
    before, after = told.get("float_value", told["float_accuracy"]), told.get("value", told["accuracy"])
    head = f"{indent}{title:8} "
    if before is None:
        lines = [
            f"{head}{_value(after, unit)} on {told['samples']} samples ({told['evaluated_on']}); there is no float "
            "model to compare"
        ]
        return [*lines, *_calibration(told, indent)]
    interval = f"{_points(told['drop_low'], unit, '+')} .. {_points(told['drop_high'], unit, '+')}"
    alike = "" if told["agreement"] is None else f", agreement {format_percent(told['agreement'])}"
    lines = [
        f"{head}float {_value(before, unit)}, quantized {_value(after, unit)} on the same {told['samples']} samples "
        f"({told['evaluated_on']})",
        f"{indent}loss     {_points(told['drop'], unit)}{' points' if unit == FRACTION else ''} "
        f"({told['confidence']:.0%} paired interval {interval}){alike}",
    ]
    if told.get("sqnr_db") is not None:
        lines.append(f"{indent}likeness {told['sqnr_db']:.1f} dB of signal over error in the {told['sqnr_of']}")
    return [*lines, *_calibration(told, indent)]


def _calibration(told: Mapping[str, Any], indent: str) -> list[str]:
    found = told.get("calibration_error")
    if not found:
        return []
    before = "" if found["float_value"] is None else f"float {format_percent(found['float_value'])}, quantized "
    return [f"{indent}calibration error {before}{format_percent(found['value'])} ({found['method']})"]


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "undefined"
    return format_percent(value) if unit == FRACTION else f"{value:.4g} {unit}".rstrip()


def _points(value: float | None, unit: str, sign: str = "") -> str:
    if value is None:
        return ""
    return f"{100 * value:{sign}.2f}" if unit == FRACTION else f"{value:{sign}.4g}"


def _slices(document: Mapping[str, Any]) -> list[str]:
    """One table for each column, those that lost most first; the values that were not judged are marked."""
    rows: list[Mapping[str, Any]] = document.get("slices", [])
    found = []
    for by in dict.fromkeys(str(row["by"]) for row in rows):
        these = [row for row in rows if row["by"] == by]
        paired = these[0]["float_value"] is not None
        key = "drop" if paired else "value"
        unit = FRACTION if these[0]["metric"] == ACCURACY else document["unit"]
        worst = sorted(these, key=lambda row: (-1 if paired else 1) * float(row[key] or 0))[:SHOWN]
        # Within a class F1 and AUC say little: the table then says what it holds.
        of = f" {these[0]['metric']}" if these[0]["metric"] != document["metric"] else ""
        lost = "points lost" if unit == FRACTION else "loss"
        values = (f"float{of}", f"quantized{of}", lost, "95 % interval", "") if paired else (f"quantized{of}",)
        head = (by, "samples", *values)
        lines = [(row["slice"], row["samples"], *_cells(row, unit, paired)) for row in worst]
        more = f"\n... and {len(these) - SHOWN} more that lost less" if len(these) > SHOWN else ""
        found.append(table(head, lines) + more)
    return found


def _cells(row: Mapping[str, Any], unit: str, paired: bool) -> tuple[str, ...]:
    if not paired:
        return (_value(row["value"], unit),)
    values = (_value(row["float_value"], unit), _value(row["value"], unit), _points(row["drop"], unit))
    interval = f"{_points(row['drop_low'], unit, '+')} .. {_points(row['drop_high'], unit, '+')}"
    return (*values, interval, "" if row["judged"] else "too few to judge")


def _corruptions(document: Mapping[str, Any]) -> str:
    found, unit = document["corruptions"], document["unit"]
    paired = document["float_value"] is not None
    head = ("corruption", "severity", "level", *(("float",) if paired else ()), "quantized")
    lost = "points lost" if unit == FRACTION else "loss"
    head += (lost, "more than clean", "95 % interval") if paired else ()
    lines = []
    for row in found["rows"]:
        values = ([_value(row["float_value"], unit)] if paired else []) + [_value(row["value"], unit)]
        if paired:
            interval = f"{_points(row['extra_low'], unit, '+')} .. {_points(row['extra_high'], unit, '+')}"
            values += [_points(row["drop"], unit), _points(row["extra"], unit, "+"), interval]
        lines.append((row["corruption"], row["severity"], f"{row['parameter']} {row['level']:g}", *values))
    return f"{table(head, lines)}\n({found['samples']} samples, seed {found['seed']})"


def _others(found: Mapping[str, Any]) -> str:
    if found["float_auroc"] is None:
        figures = f"AUROC {format_percent(found['auroc'])}"
    else:
        interval = f"{100 * found['drop_low']:+.2f} .. {100 * found['drop_high']:+.2f}"
        figures = (
            f"AUROC float {format_percent(found['float_auroc'])}, quantized {format_percent(found['auroc'])} (loss "
            f"{100 * found['drop']:.2f} points, interval {interval})"
        )
    return f"others   {figures}: {found['samples']} samples of another distribution told apart by the {found['score']}"
