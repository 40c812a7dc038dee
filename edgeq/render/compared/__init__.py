"""A comparison as a text of some format: for a terminal, a pull request, a CI server, a program.

A new format is a module with `render(comparison) -> str` and one row in the table below.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from edgeq.compare import Comparison
from edgeq.errors import UsageError
from edgeq.host.paths import write_whole

RENDERERS = {
    "text": "edgeq.render.compared.text",
    "markdown": "edgeq.render.compared.markdown",
    "junit": "edgeq.render.compared.junit",
    "json": "edgeq.render.compared.json",
}


def render_comparison(comparison: Comparison, form: str) -> str:
    """The comparison in one form of `RENDERERS`."""
    text: str = import_module(RENDERERS[form]).render(comparison)
    return text


def write_comparison(comparison: Comparison, form: str, path: Path) -> None:
    """Write it to a file, whole or not at all."""
    try:
        write_whole(path, render_comparison(comparison, form))
    except OSError as error:
        raise UsageError(f"The comparison cannot be written to {path}: {error.strerror}.", "Choose another.") from error
