"""A comparison as a comment on a pull request: the verdict first, one table, and the rest folded away.

The first line is a mark that nobody sees: by it an action finds its earlier comment and replaces it.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.compare import Comparison
from edgeq.render.compared.words import HEAD, cells, footing, printable, remarks, shown, side_text
from edgeq.render.markdown import escape

MARK = "<!-- edgeq compare -->"
_SIGNS = {"ok": "✅", "regression": "❌", "refused": "🚫"}
_GATES = {"fail": "❌", "warn": "⚠️", "pass": ""}


def render(comparison: Comparison) -> str:
    """The comparison as one Markdown text."""
    return "\n".join(map(printable, _lines(comparison))) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield MARK
    yield f"### {_SIGNS[comparison.verdict]} {escape(comparison.headline)}"
    yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for judged in shown(comparison):
        yield "| " + " | ".join(map(_cell, cells(judged))) + f" {_GATES[judged.gate]} |"
    told = list(remarks(comparison))
    yield from ["", *(f"- {escape(remark)}" for remark in told)] if told else []
    yield ""
    yield "<details><summary>What was compared, and how</summary>"
    yield ""
    yield f"- base: {escape(side_text(comparison.base))}"
    yield f"- new: {escape(side_text(comparison.new))}"
    yield f"- {escape(footing(comparison))}"
    yield ""
    yield "</details>"


def _cell(text: str) -> str:
    """A cell begins no line: its number needs no escape, as one there would."""
    return escape(f"x {text}").removeprefix("x ")
