"""A report for the terminal, through rich; also as plain text for a file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeq.render.words import (
    STARRED,
    VERDICT_WORDS,
    environment,
    environment_title,
    facts,
    figure_text,
    glance,
    interval_text,
    on_front,
    op_name,
    ops_words,
    pace_rows,
    spent,
    tag,
)
from edgeq.report import Figure, Report, Section
from edgeq.report.tradeoff import shortened

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 100
MOST_OPS = 12
MOST_BESIDE = 3
"""Runs whose whole comparison stands in one table."""
CLAIM_MARKS = {"good": "+", "bad": "x", "open": "-"}
STYLES = {"measured": "green", "emulated": "yellow", "estimated": "magenta"}
VERDICT_STYLES = {"valid": "bold green", "degraded": "bold yellow", "invalid": "bold red"}


def render(report: Report) -> str:
    """Plain text, 100 columns wide."""
    return _render(report, PLAIN_WIDTH, colour=False)


def render_terminal(report: Report, summary: bool = False) -> str:
    """As wide as the terminal (`COLUMNS` decides where set); colours unless NO_COLOR is set or it is no terminal.

    A `summary` leaves out what is told of each run by itself, where there are several.
    """
    from rich.console import Console

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return _render(report, max(40, Console().width), colour, summary)


def _render(report: Report, width: int, colour: bool, summary: bool = False) -> str:
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    _line(console, report.title, "bold")
    _line(console, f"Verdict: {VERDICT_WORDS[report.verdict]}", VERDICT_STYLES[report.verdict])
    for sentence in report.headlines:
        _line(console, sentence)
    if report.comparison:
        (_comparison if len(report.sections) <= MOST_BESIDE else _glance)(console, report)
    for section in () if summary and report.comparison else report.sections:
        _section(console, section, alone=not report.comparison)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _line(console: Console, words: str, style: str = "") -> None:
    from rich.text import Text

    console.print(Text(_clean(words), style=style))


def _clean(words: str) -> str:
    """Without control characters: a device's words never steer the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def _table(title: str, head: Sequence[str], right: int) -> Table:
    """A table whose columns from `right` on are aligned to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for index, name in enumerate(head):
        table.add_column(Text(name), justify="right" if 0 < index <= right else "left", overflow="fold")
    return table


def _row(table: Table, cells: Sequence[str], styles: Sequence[str] = ()) -> None:
    from rich.text import Text

    table.add_row(*(Text(_clean(cell), styles[i] if i < len(styles) else "") for i, cell in enumerate(cells)))


def _glance(console: Console, report: Report) -> None:
    """A line for each run: more than a few do not stand beside each other."""
    columns = [(title, cells) for title, cells in glance(report) if title != "Loss"]  # 80 columns have no room for it.
    labels = shortened([section.label for section in report.sections])
    told = [{tag(cell) for cell in cells if cell} for _, cells in columns]
    alike = [f" {next(iter(tags))}" if len(tags) == 1 else "" for tags in told]
    head = [f"{title}{words}" for (title, _), words in zip(columns, alike, strict=True)]
    table = _table("Side by side", ["", *head, *(["Front"] if report.front else [])], 0)
    for place, section in enumerate(report.sections):
        cells = [cells[place] for _, cells in columns]
        words = [
            "-" if cell is None else _short(cell) if same else f"{_short(cell)} {tag(cell)}"
            for cell, same in zip(cells, alike, strict=True)
        ]
        last = [on_front(report, section)] if report.front else []
        _row(table, [labels[place], *words, *last], ["", *(STYLES[cell.how] if cell else "" for cell in cells)])
    _told_beside(console, table, report)


def _short(figure: Figure) -> str:
    return figure_text(figure).replace(" instructions", " instr.")


def _told_beside(console: Console, table: Table, report: Report) -> None:
    console.print()
    console.print(table)
    for remark in report.remarks:
        _line(console, f"! {remark}", "yellow")


def _comparison(console: Console, report: Report) -> None:
    labels = [_clean(section.label) for section in report.sections]
    table = _table("Side by side", ["", *labels], 0)
    for row in report.comparison:
        cells = [f"{figure_text(cell)}  {tag(cell)}" if cell else "-" for cell in row.cells]
        _row(table, [row.label, *cells], ["", *(STYLES[cell.how] if cell else "" for cell in row.cells)])
    _told_beside(console, table, report)


def _section(console: Console, section: Section, alone: bool) -> None:
    """One run. Where it is `alone`, its headline and verdict stand above already."""
    console.print()
    _line(console, section.label, "bold underline")
    if not alone:
        _line(console, VERDICT_WORDS[section.run.verdict], VERDICT_STYLES[section.run.verdict])
        _line(console, section.headline)
    for claim in section.claims:
        _line(console, f"  {CLAIM_MARKS[claim.state]} {claim.name}: {claim.text}")
    for each in section.advice:
        style, code = VERDICT_STYLES.get(each.severity, ""), f"{each.code}{', bundle' * (each.origin == 'bundle')}"
        _line(console, f"  {each.severity} [{code}] {each.message} {each.hint}", style)
    table = _table("", ["Figure", "Value", "95 % interval", "Obtained"], 2)
    for figure in section.figures():
        _row(
            table,
            [figure.label, figure_text(figure), interval_text(figure), tag(figure)],
            ["", "bold", "", STYLES[figure.how]],
        )
    console.print(table)
    if any(figure.bootstrap for figure in section.figures()):
        _line(console, f"  {STARRED}")
    _more(console, section)
    for note in section.notes:
        _line(console, f"  {note}")
    _environment(console, section)
    for label, text in (*facts(section), *section.meter, *section.origin):
        _line(console, f"  {label + ':':<15} {text}")


def _more(console: Console, section: Section) -> None:
    """What only some runs have: sustained pace, the slowest ops."""
    if section.intervals:
        table = _table("", ["From", "Samples", "p50", "95 % interval"], 3)
        for row in pace_rows(section):
            _row(table, row)
        console.print(table)
    if section.ops:
        _line(console, f"  Ops: {ops_words(section.ops)}.")
        table = _table("", ["Op", "Took", "Share", "Kernel"], 2)
        for op in section.ops.slowest(MOST_OPS):
            _row(
                table,
                [
                    op_name(op),
                    spent(op.spent, section.ops.unit, section.ops.tick),
                    f"{op.share * 100:.1f} %",
                    op.kernel,
                ],
            )
        console.print(table)
        if len(section.ops.ops) > MOST_OPS:
            _line(console, f"  The {MOST_OPS} slowest of {len(section.ops.ops)}.")


def _environment(console: Console, section: Section) -> None:
    rows = environment(section.run)
    if rows:
        table = _table("", [environment_title(section.run), "Before", "After"], 2)
        for row in rows:
            _row(table, row)
        console.print(table)
