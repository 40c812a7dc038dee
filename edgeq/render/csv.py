"""A report as CSV: one line for each figure of each run, in base units, with how it was obtained.

Columns: run, created, device, target, recipe, release, verdict, group, name, label, value, unit, low, high, error_pct,
how, at, source. Groups are those of the JSON report; `ops` and `sustained` have a line for each op and each interval.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from edgeq.render.words import op_name
from edgeq.report import Figure, Report, Section

RUN = ("run", "created", "device", "target", "recipe", "release", "verdict")
COLUMNS = (*RUN, "group", "name", "label", "value", "unit", "low", "high", "error_pct", "how", "at", "source")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell of text that begins so is one that a spreadsheet would execute."""


def render(report: Report) -> str:
    """The report as one table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for section in report.sections:
        writer.writerows([*_run(section), *_cells(group, figure)] for group, figure in _figures(section))
    return out.getvalue()


def _run(section: Section) -> list[str]:
    run = section.run
    told = (section.label, run.created, run.device.get("name") or run.device.get("address"))
    rest = (run.release.get("target"), run.release.get("mode"), run.release.get("digest"), run.verdict)
    return [_plain(str(each or "")) for each in (*told, *rest)]


def _figures(section: Section) -> Iterator[tuple[str, Figure]]:
    groups = (
        ("latency", section.latency),
        ("stages", section.stages),
        ("instructions", section.instructions),
        ("memory", section.memory),
        ("model", section.model),
        ("power", section.power),
        ("budget", section.budget),
        ("accuracy", section.accuracy.figures if section.accuracy else ()),
        ("on_device", section.on_device),
    )
    yield from ((group, figure) for group, figures in groups for figure in figures)
    for need in section.needs:
        yield "fit", Figure(need.name, need.label, need.needed_bytes, "bytes", need.how, source=need.source)
        of = f"{need.label}, all there is"
        yield "fit", Figure(f"{need.name}_limit", of, need.limit_bytes, "bytes", need.how, source=need.of)
    for each in section.intervals:
        label = f"p50 from {each.start_s:g} s to {each.end_s:g} s"
        yield "sustained", Figure("p50", label, each.p50, "ns", section.how, each.low, each.high)
    if section.ops:
        for op in section.ops.ops:
            spent = Figure(op.op, op_name(op), op.spent, section.ops.unit, section.ops.how, source=section.ops.source)
            yield "ops", spent


def _cells(group: str, figure: Figure) -> list[str]:
    numbers = [figure.low, figure.high, figure.error_pct]
    shown = ["" if number is None else repr(float(number)) for number in numbers]
    texts = [_plain(text) for text in (figure.name, figure.label)]
    source = f"{figure.source}; interval by a bootstrap" if figure.bootstrap else figure.source
    rest = [_plain(text) for text in (figure.how, figure.at, source)]
    return [group, *texts, repr(float(figure.value)), figure.unit, *shown, *rest]


def _plain(text: str) -> str:
    """On one line, and never a formula."""
    words = " ".join(text.split())
    return f"'{words}" if words.startswith(FORMULA) else words
