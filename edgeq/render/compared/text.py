"""A comparison for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeq.compare import Comparison
from edgeq.render.compared.words import HEAD, cells, footing, printable, remarks, shown, side_text


def render(comparison: Comparison) -> str:
    """The verdict first, then one table, then every remark."""
    return "\n".join(map(printable, _lines(comparison))) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield comparison.headline
    yield f"  base  {side_text(comparison.base)}"
    yield f"  new   {side_text(comparison.new)}"
    yield ""
    yield from _table([HEAD, *([printable(cell) for cell in cells(each)] for each in shown(comparison))])
    told = list(remarks(comparison))
    yield from ["", *(f"  {remark}" for remark in told)] if told else []
    yield f"  {footing(comparison)}"


def _table(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    for number, row in enumerate(lines):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)
