"""The command about representative data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeq.cli.base import app, command, console
from edgeq.errors import ConvertError, UsageError

if TYPE_CHECKING:
    from edgeq.check_data import DataReport

SHOWN = 8
"""So many classes are listed by name."""


@command(app, "check-data")
def check_data(
    model: Annotated[
        Path | None, typer.Argument(help="The float model: .keras, .h5, .tflite or a SavedModel.", show_default=False)
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Representative samples: a file, a folder or module:function (docs/data.md).")
    ] = None,
    eval_data: Annotated[str | None, typer.Option("--eval", help="The evaluation set, likewise.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Names of the classes, one a line.")] = None,
    samples: Annotated[int | None, typer.Option(help="Calibration samples to look at.", min=1)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 3 for warnings too.")] = False,
) -> None:
    """Say whether data is good to calibrate on, and why not; exit code 3 where a finding is an error.

    Example: edgeq check-data model.keras --data calibration.npz --eval test.npz
    """
    from edgeq.check_data import check_data as look
    from edgeq.project import load_project

    project = load_project()
    wanted = data or project.data
    if not wanted:
        raise UsageError("There is no data to look at.", "Give --data, or set data in edgeq.toml.")
    report = look(
        wanted,
        model=model or project.model,
        eval_data=eval_data or project.eval,
        labels=labels or project.labels,
        preprocess=project.preprocess,
        waivers=project.waivers,
        samples=samples,
        folder=project.root,
        progress=console.progress,
    )
    console.result(*tell(report))
    if report.worst() in (("error", "warning") if strict else ("error",)):
        raise typer.Exit(ConvertError.exit_code)


def tell(report: DataReport) -> tuple[Any, str]:
    """As a JSON document, and as a text."""
    from dataclasses import asdict

    from edgeq.host.console import table

    document = {
        "data": report.data,
        "samples": report.used,
        "total": report.total,
        "verdict": _verdict(report),
        "findings": [asdict(finding) for finding in report.findings],
        "waived": [{**asdict(each.finding), "waived": asdict(each.waiver)} for each in report.waived],
        "curve": [asdict(point) for point in report.curve],
        "tensors": [asdict(tensor) for tensor in report.tensors],
        "classes": dict(report.classes) if report.classes else None,
        "notes": list(report.notes),
    }
    lines = [f"{report.data}: {report.used} of {report.total} samples looked at; {_verdict(report)}"]
    if report.classes:
        lines.append(f"  classes   {_classes(report)}")
    lines += [f"  note      {note}" for note in report.notes]
    for finding in report.findings:
        lines.append(f"  {finding.severity:9} {finding.code}: {finding.message}")
        if finding.hint and finding.severity != "info":
            lines.append(f"  {'':9} {finding.hint}")
    for each in report.waived:
        lines.append(f"  waived    {each.finding.message} ({each.waiver.by}: {each.waiver.reason})")
    if report.curve:
        rows = [
            (point.size, f"{point.median_db:.1f}", f"{min(point.sqnr_db):.1f} .. {max(point.sqnr_db):.1f}")
            for point in report.curve
        ]
        lines += ["", table(("samples", "int8 SQNR dB", "draws"), rows)]
    return document, "\n".join(lines)


def _verdict(report: DataReport) -> str:
    counts = {each: sum(one.severity == each for one in report.findings) for each in ("error", "warning")}
    told = [f"{count} {each}{'s' * (count != 1)}" for each, count in counts.items() if count]
    return " and ".join(told) or "nothing against it"


def _classes(report: DataReport) -> str:
    counts = list((report.classes or {}).items())
    listed = ", ".join(f"{name} {count}" for name, count in counts[:SHOWN])
    return listed if len(counts) <= SHOWN else f"{listed} and {len(counts) - SHOWN} more"
