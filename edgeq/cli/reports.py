"""Commands over runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import app, command, console

FORMATS = "text, md, json, csv or html"


@command(app)
def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="run.json files.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="report.html, .md, .json, .csv or .txt.")
    ] = None,
    form: Annotated[str, typer.Option("--format", "-f", metavar="FORMAT", help=f"Print {FORMATS}.")] = "text",
    bundle: Annotated[
        list[Path] | None,
        typer.Option("--bundle", "-b", help="What was benched, for its findings; found in build/ otherwise."),
    ] = None,
) -> None:
    """Tell runs as a report: on the terminal, and as HTML, Markdown, JSON or CSV.

    Example: edgeq report run.json -o report.html
    Example: edgeq report runs/*.json --format csv
    """
    from edgeq.project import load_project
    from edgeq.render import render, render_json, render_text, write_report
    from edgeq.report import report as make_report

    project = load_project()
    built = [path.parent for path in sorted(project.out.glob("*/manifest.json"))]
    made = make_report(runs or project.latest_runs(), [*(bundle or []), *built])
    if form not in ("text", "txt"):
        told = render(made, f".{form}")
        if output:
            write_report(made, output)
        console.result(render_json(made), told.rstrip("\n"))
        return
    path = output or (None if runs else project.root / "report.html")
    if path:
        write_report(made, path)
    console.result(render_json(made), render_text(made) + (f"\nReport: {path}" if path else ""))


@command(app)
def schema(
    name: Annotated[str, typer.Argument(help="The file's name without its suffix: run.")] = "run",
) -> None:
    """Print the JSON Schema (draft 2020-12) of a file that edgeq writes.

    Example: edgeq schema run > run.schema.json
    """
    import json

    from edgeq.schema import schema as published

    text = published(name)
    console.result(json.loads(text), text.rstrip("\n"))
