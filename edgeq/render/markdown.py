"""A report as Markdown for a pull request: the verdict first, one table, and the rest folded away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgeq.render.words import (
    HOW_WORDS,
    STARRED,
    VERDICT_WORDS,
    environment,
    environment_title,
    facts,
    figure_text,
    interval_text,
    op_name,
    ops_words,
    pace_rows,
    spent,
    tag,
)
from edgeq.report import Report, Section

_SPECIAL = re.compile(
    r"[\\`*{}\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])|(?<!\w)@|#(?=\d)|:(?=//|[\w+-]+:)|^[#+-]|^\d+[.)](?=\s|$)"
)
"""What means something; an underscore inside a word and a number with a fraction mean themselves."""
_CLAIMS = {"good": "✅", "bad": "❌", "open": "▫️"}
_MARKS = {"valid": "✅", "degraded": "⚠️", "invalid": "❌"}


def escape(words: str) -> str:
    """Any text as literal Markdown on one line: no markup, HTML, link, mention, emoji or table cell comes out of it."""
    return _SPECIAL.sub(_literal, " ".join(words.split()))


def _literal(match: re.Match[str]) -> str:
    found = match[0]
    if found in "@#":
        return f"{found}&#8203;"  # a zero-width space: GitHub looks for mentions after it has decoded entities
    return found[:-1] + f"&#{ord(found[-1])};"


def render(report: Report) -> str:
    """The report as one Markdown text."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"## {escape(report.title)}"
    yield ""
    yield f"{_MARKS[report.verdict]} **{VERDICT_WORDS[report.verdict].capitalize()}.** " + " ".join(
        escape(sentence) for sentence in report.headlines
    )
    yield ""
    if report.comparison:
        yield from _comparison(report)
    for section in report.sections:
        yield from _section(section, folded=bool(report.comparison))
    yield from (f"*{how}*: {words}.  " for how, words in HOW_WORDS.items())
    yield ""
    yield f"<sub>edgeq {escape(report.edgeq)}</sub>"


def _comparison(report: Report) -> Iterator[str]:
    head = ["", *(escape(section.label) for section in report.sections)]
    rows = [
        [row.label, *(f"{figure_text(cell)} *{escape(tag(cell))}*" if cell else "–" for cell in row.cells)]
        for row in report.comparison
    ]
    yield from _table(head, rows)
    for remark in report.remarks:
        yield f"> {escape(remark)}"
        yield ""
    best = [escape(label) for label, on in report.front.items() if on]
    if best:
        yield f"On the front of accuracy, latency, size and energy: {', '.join(best)}."
        yield ""


def _section(section: Section, folded: bool) -> Iterator[str]:
    title = f"{escape(section.label)}: {section.run.verdict}"
    if folded:
        yield f"<details><summary>{title}</summary>"
    else:
        yield f"### {title}"
    yield ""
    if folded:
        yield escape(section.headline)
        yield ""
    for claim in section.claims:
        yield f"- {_CLAIMS[claim.state]} **{escape(claim.name)}**: {escape(claim.text)}"
    yield ""
    for each in section.advice:
        code = f"`{_code(each.code)}`" + (", of the bundle:" if each.origin == "bundle" else "")
        yield f"- **{each.severity}** {code} {escape(each.message)} {escape(each.hint)}"
    if section.advice:
        yield ""
    yield from _figures(section)
    for note in section.notes:
        yield f"- {escape(note)}"
    if section.notes:
        yield ""
    yield from _more(section)
    rows = environment(section.run)
    if rows:
        yield from _table(
            [environment_title(section.run), "Before", "After"], [[escape(cell) for cell in row] for row in rows]
        )
    yield from _table(["What and where", ""], [[label, escape(text)] for label, text in facts(section)])
    if section.origin:
        yield from _table(["Where it came from", ""], [[label, escape(text)] for label, text in section.origin])
    if folded:
        yield "</details>"
        yield ""


def _more(section: Section) -> Iterator[str]:
    """What only some runs have: sustained pace, ops, slices, how energy was metered."""
    if section.intervals:
        yield from _table(["From", "Samples", "p50", "95 % interval"], list(pace_rows(section)), right=3)
    if section.ops:
        yield escape(f"Ops: {ops_words(section.ops)}.")
        yield ""
        rows = [
            [
                escape(op_name(op)),
                escape(op.kernel),
                spent(op.spent, section.ops.unit, section.ops.tick),
                f"{op.share * 100:.1f} %",
            ]
            for op in section.ops.ops
        ]
        yield from _table(["Op", "Kernel", "Took", "Share"], rows, right=0)
    if section.slices:
        head = ["Slice", "Samples", *(figure.label for figure in section.slices[0].figures)]
        rows = [
            [escape(f"{each.by} {each.name}"), str(each.samples), *(figure_text(figure) for figure in each.figures)]
            for each in section.slices
        ]
        yield from _table(head, rows, right=len(head))
    if section.meter:
        yield from _table(["How it was metered", ""], [[label, escape(text)] for label, text in section.meter])


def _figures(section: Section) -> Iterator[str]:
    rows = [
        [escape(figure.label), figure_text(figure), interval_text(figure), f"*{escape(tag(figure))}*"]
        for figure in section.figures()
    ]
    yield from _table(["Figure", "Value", "95 % interval", "Obtained"], rows, right=2)
    if any(figure.bootstrap for figure in section.figures()):
        yield escape(STARRED)
        yield ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], right: int = 0) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join(" ---: " if 0 < index <= right else " --- " for index in range(len(head))) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _code(words: str) -> str:
    return re.sub(r"[^\w.-]", "?", words)
