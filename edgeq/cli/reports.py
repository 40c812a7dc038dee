"""Commands over runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import app, command, console


@command(app)
def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="run.json files.", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="report.html, .md, .json or .txt.")] = None,
) -> None:
    """Tell runs as a report: on the terminal, and as HTML, Markdown or JSON.

    Example: edgeq report run.json -o report.html
    """
    from edgeq.project import load_project
    from edgeq.render import render_json, render_text, write_report
    from edgeq.report import report as make_report

    project = load_project()
    made = make_report(runs or project.latest_runs())
    path = output or (None if runs else project.root / "report.html")
    if path:
        write_report(made, path)
    console.result(render_json(made), render_text(made) + (f"\nReport: {path}" if path else ""))
