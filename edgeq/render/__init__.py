"""Renderers turn a report into a text of some format; a file's suffix chooses among them.

A new format is a module with `render(report) -> str` and one row in the table below.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from typing import Any

from edgeq.errors import UsageError
from edgeq.host.paths import write_whole
from edgeq.report import Report

RENDERERS = {
    ".html": "edgeq.render.html",
    ".md": "edgeq.render.markdown",
    ".json": "edgeq.render.json",
    ".csv": "edgeq.render.csv",
    ".txt": "edgeq.render.text",
}


def render(report: Report, suffix: str) -> str:
    """The report in the format of `suffix` (`.html`, `.md`, `.json`, `.csv`, `.txt`)."""
    if suffix.lower() not in RENDERERS:
        near = difflib.get_close_matches(suffix.lower(), RENDERERS, 1, 0.5)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise UsageError(
            f"There is no report format '{suffix or 'without a suffix'}'.", f"{hint}Known are {', '.join(RENDERERS)}."
        )
    text: str = import_module(RENDERERS[suffix.lower()]).render(report)
    return text


def write_report(report: Report, path: Path) -> None:
    """Write the report in the format of the path's suffix, whole or not at all."""
    text = render(report, path.suffix)
    try:
        write_whole(path, text)
    except OSError as error:
        raise UsageError(
            f"The report cannot be written to {path}: {error.strerror}.", "Choose another path."
        ) from error


def render_text(report: Report, summary: bool = False) -> str:
    """For a terminal, as wide as it is and coloured if it can show colours; or only its first page."""
    from edgeq.render.text import render_terminal

    return render_terminal(report, summary)


def render_json(report: Report) -> dict[str, Any]:
    """As plain data, for `--json`."""
    from edgeq.render.json import document

    return document(report)
