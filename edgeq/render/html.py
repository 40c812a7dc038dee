"""A report as one self-contained HTML page: no network, no scripts, plots inline; every text from a run is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from edgeq.render import plots, tables, tradeoffs
from edgeq.render.style import CSS
from edgeq.render.tables import tag_html, tagged
from edgeq.render.words import (
    EMULATED_LEAD,
    HOW_WORDS,
    VALID_LEAD,
    VERDICT_WORDS,
    environment,
    environment_title,
    facts,
    figure_text,
    glance,
    on_front,
)
from edgeq.report import Figure, Report, Row, Section
from edgeq.report.evidence import Advice
from edgeq.report.section import BAD, GOOD, Claim

CARDS = ("p50", "p99", "throughput", "instructions", "rss_peak", "ram", "energy", "accuracy", "drop", "model_bytes")
MOST_OPEN = 3
"""Runs whose whole comparison is shown unfolded: a wider table is one that is scrolled."""
MOST_BESIDE = 5
MOST_SLICES = 6
MARKS = {GOOD: ("✓", "good"), BAD: ("✕", "bad"), "": ("–", "open")}
VERDICT_MARKS = {"valid": "✓", "degraded": "!", "invalid": "✕"}


def render(report: Report) -> str:
    """The page."""
    # The policy makes "no network" a promise that the browser keeps; the empty icon stops it from asking for one.
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.title)} - edgeq report</title>\n"
        f'<link rel="icon" href="data:,">\n<style>{CSS}</style>\n</head>\n<body>\n'
        '<a class="skip" href="#main">Skip to the report</a>\n<div class="page">\n'
        + "\n".join([*_head(report), '<main id="main">', *_main(report), "</main>", *_foot(report)])
        + "\n</div>\n</body>\n</html>\n"
    )


def _head(report: Report) -> Iterator[str]:
    yield f'<header><p class="kicker">edgeq report</p><h1>{escape(report.title)}</h1>'
    yield f'<p class="meta">{escape(_meta(report))}</p>'
    yield f'<div class="verdict {report.verdict}"><p class="lead"><span class="seal" aria-hidden="true">'
    yield f"{VERDICT_MARKS[report.verdict]}</span><span>{_verdict(report.verdict)} "
    yield f"{escape(_lead(report))}</span></p>"
    if len(report.sections) == 1:
        yield "".join(f"<p>{escape(told)}</p>" for told in report.headlines[1:])
        yield f"{_claims(report.sections[0].claims)}</div>"
    else:
        yield f"{''.join(f'<p>{escape(told)}</p>' for told in report.headlines)}</div>"
        links = (f'<li><a href="#run-{i}">{escape(s.label)}</a></li>' for i, s in enumerate(report.sections, 1))
        yield f'<nav aria-label="Runs"><ul>{"".join(links)}</ul></nav>'
    used = {figure.how for section in report.sections for figure in section.figures()}
    used |= {need.how for section in report.sections for need in section.needs}
    key = (f"<dt>{tag_html(how)}</dt><dd>{escape(words)}</dd>" for how, words in HOW_WORDS.items() if how in used)
    yield f'<dl class="key">{"".join(key)}</dl></header>'


def _lead(report: Report) -> str:
    if report.verdict != "valid":
        return ""
    emulated = any(section.how == "emulated" for section in report.sections)
    return EMULATED_LEAD if emulated else VALID_LEAD


def _meta(report: Report) -> str:
    """Devices, targets and days, in one line."""
    runs = [section.run for section in report.sections]
    boards = dict.fromkeys(str(run.device.get("board") or run.device.get("cpu") or "") for run in runs)
    targets = dict.fromkeys(str(run.release.get("target") or "") for run in runs)
    days = sorted({run.created[:10] for run in runs})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    told = (", ".join(filter(None, boards)), f"for {', '.join(filter(None, targets))}" if any(targets) else "", when)
    return " · ".join(filter(None, told))


def _verdict(verdict: str) -> str:
    return f'<strong class="word {verdict}">{escape(VERDICT_WORDS[verdict].capitalize())}.</strong>'


def _claims(claims: Sequence[Claim]) -> str:
    rows = []
    for claim in claims:
        mark, word = MARKS.get(claim.state, MARKS[""])
        sign = f'<span class="sign {word}" role="img" aria-label="{word}">{mark}</span>'
        rows.append(f"<div><dt>{sign}{escape(claim.name)}</dt><dd>{escape(claim.text)}</dd></div>")
    return f'<dl class="claims">{"".join(rows)}</dl>'


def _main(report: Report) -> Iterator[str]:
    if report.comparison:
        yield '<section aria-labelledby="side"><h2 id="side">Side by side</h2>'
        yield from _remarks(report.remarks)
        yield _glance(report)
        across = "".join([*tradeoffs.planes(report), *tradeoffs.medians(report), *tradeoffs.fits(report)])
        yield f'<div class="plots">{across}</div>' if across else ""
        yield _whole(report)
        yield "</section>"
    for number, section in enumerate(report.sections, 1):
        yield from _section(section, number, alone=not report.comparison)


def _remarks(remarks: Sequence[str]) -> Iterator[str]:
    if remarks:
        items = "".join(f"<li>{escape(remark)}</li>" for remark in remarks)
        yield f'<ul class="remarks" aria-label="Before you compare">{items}</ul>'


def _glance(report: Report) -> str:
    """One line for each run, with what one looks for first; what is true of a whole column stands at its head."""
    columns = [(title, cells, {tagged(cell) for cell in cells if cell}) for title, cells in glance(report)]
    head = ["Run", *(title for title, _, _ in columns), *(["On the front"] if report.front else [])]
    rows = []
    for place, section in enumerate(report.sections):
        last = [on_front(report, section)] if report.front else []
        who = f'<a href="#run-{place + 1}">{escape(section.label)}</a> {_word(section.run.verdict)}'
        rows.append([who, *(_cell(cells[place], bare=len(tags) == 1) for _, cells, tags in columns), *last])
    marks = ["", *(next(iter(tags)) if len(tags) == 1 else "" for _, _, tags in columns)]
    caption = "The runs at a glance"
    note = ""
    if report.front:
        note = (
            '<p class="notes">On the front: no other run of the same model, with the same figures obtained alike, is '
        )
        note += "at least as good in accuracy, latency, size and energy.</p>"
    return tables.scrolling(caption, tables.table(caption, head, rows, "glance", marks=marks)) + note


def _word(verdict: str) -> str:
    return f'<span class="word {verdict}">{escape(verdict)}</span>'


def _cell(figure: Figure | None, bare: bool = False) -> str:
    if figure is None:
        return '<span role="img" aria-label="none">-</span>'
    if bare:
        return f"<span class=v>{escape(figure_text(figure))}</span>"
    return f"<span class=v>{escape(figure_text(figure))}</span> {tagged(figure)}"


def _whole(report: Report) -> str:
    caption = "Every figure of every run"
    head = ["Figure", *(section.label for section in report.sections)]
    told = tables.scrolling(caption, tables.table(caption, head, map(_row, report.comparison), "compare"))
    opened = " open" if len(report.sections) <= MOST_OPEN else ""
    return f"<details{opened}><summary>{caption}</summary>{told}</details>"


def _row(row: Row) -> list[str]:
    return [escape(row.label), *map(_cell, row.cells)]


def _section(section: Section, number: int, alone: bool) -> Iterator[str]:
    """One run. Where it is `alone`, the page's head has said its claims already."""
    yield f'<section class="run{" alone" * alone}" id="run-{number}" aria-labelledby="title-{number}">'
    yield f'<div class="heading{" hidden" * alone}"><h2 id="title-{number}">{escape(section.label)}</h2>'
    back = "" if alone else '<a class="back" href="#side">All runs</a>'
    yield f"{tag_html(section.how)}{_word(section.run.verdict)}{back}</div>"
    yield "" if alone else _claims(section.claims)
    yield _cards([figure for name in CARDS if (figure := section.figure(name))])
    yield from _part("Findings and advice", [_advice(section.advice), _notes(section.notes)])
    yield from _part("How fast", [_plots([*plots.spread(section), *_latency_tables(section), *plots.course(section)])])
    yield from _part(_where(section), [_plots([*plots.ops(section)])])
    yield from _part("Does it fit", [_plots([*plots.fit(section), *plots.memory(section)])])
    yield from _part("How right", [_plots([*plots.accuracy(section), *_accuracy_tables(section)])])
    yield from _part("Power and energy", [_plots([*plots.power(section), *_power_tables(section)])])
    yield from _part("What was tried", [_plots([*tradeoffs.trials(section)])])
    yield from _part("Conditions and origin", _conditions(section))
    yield "</section>"


def _where(section: Section) -> str:
    counted = section.ops is not None and section.ops.unit == "instructions"
    return f"Where the {'instructions go' if counted else 'time goes'}"


def _part(title: str, told: Iterable[str]) -> Iterator[str]:
    """A part with its title; nothing where it holds nothing."""
    body = "".join(told)
    if body:
        yield f'<div class="part"><h3>{escape(title)}</h3>{body}</div>'


def _plots(drawn: Sequence[str]) -> str:
    return f'<div class="plots">{"".join(drawn)}</div>' if drawn else ""


def _pair(*told: str) -> str:
    shown = [each for each in told if each]
    return f'<div class="pair">{"".join(shown)}</div>' if shown else ""


def _latency_tables(section: Section) -> Iterator[str]:
    told = (("Latency, steady state", section.latency), ("Instructions", section.instructions))
    yield from (tables.figures(caption, figures) for caption, figures in told if figures)


def _accuracy_tables(section: Section) -> Iterator[str]:
    found = section.accuracy
    told = tables.figures(f"{found.accuracy.at.capitalize()}, {found.samples} samples", found.figures) if found else ""
    device = tables.figures("On the device", section.on_device, (each.source for each in section.on_device))
    yield from filter(None, (told, _slices(section), device))


def _slices(section: Section) -> str:
    if not section.slices:
        return ""
    shown = section.slices[:MOST_SLICES]
    lost = any(figure.name == "drop" and figure.value > 0 for each in shown for figure in each.figures)
    more = len(section.slices) > MOST_SLICES
    caption = "Where most was lost" if lost and more else f"By slice{f', {len(shown)} of {len(section.slices)}' * more}"
    rows = (
        [
            f"{escape(each.by)} {escape(each.name)}",
            str(each.samples),
            *(escape(figure_text(figure)) for figure in each.figures),
        ]
        for each in shown
    )
    head = ["Slice", "Samples", *(figure.label for figure in shown[0].figures)]
    told = tables.table(caption, head, rows, "named", right=len(head), mark=tagged(shown[0].figures[0]))
    return f"<div>{tables.scrolling(caption, told)}</div>"


def _power_tables(section: Section) -> Iterator[str]:
    told = tables.figures("Power and energy", section.power, (figure.source for figure in section.power))
    meter = f"<div>{tables.pairs('How it was metered', section.meter)}</div>" if section.meter else ""
    yield from filter(None, (told, meter))


def _conditions(section: Section) -> Iterator[str]:
    readings = environment(section.run)
    head = ["Reading", "Before", "After"]
    rows = ([escape(cell) for cell in row] for row in readings)
    seen = f"<div>{tables.table(environment_title(section.run), head, rows, right=2)}</div>" if readings else ""
    where = f"<div>{tables.pairs('What was measured, and where', facts(section))}</div>"
    yield _pair(where, seen or '<p class="notes">The device gave no readings.</p>')
    if section.origin:
        yield tables.pairs("Where it came from", section.origin, "facts origin")


def _advice(advice: Sequence[Advice]) -> str:
    items = (
        f'<li class="{escape(each.severity)}"><span class="severity">{escape(each.severity)}</span> '
        f'{escape(each.message)} <span class="hint">{escape(each.hint)}</span> '
        f"<code>{escape(each.code)}{', of the bundle' if each.origin == 'bundle' else ''}</code></li>"
        for each in advice
    )
    return f'<ul class="issues">{"".join(items)}</ul>' if advice else ""


def _notes(notes: Sequence[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>' if notes else ""


def _cards(figures: Sequence[Figure]) -> str:
    """In rows that are as full as they can be; at most five stand beside each other."""
    lines = -(-len(figures) // MOST_BESIDE)
    beside = -(-len(figures) // lines) if lines else 1
    return f'<div class="cards" style="--beside:{beside}">{"".join(map(_card, figures))}</div>'


def _card(figure: Figure) -> str:
    words = figure_text(figure)  # What is counted stands in the name.
    words = words.removesuffix(" instructions") if figure.unit == "instructions" else words
    return (
        f'<div class="card"><p class="name">{escape(figure.label)}</p>'
        f'<p class="big">{escape(words)}</p>{tagged(figure)}</div>'
    )


def _foot(report: Report) -> Iterator[str]:
    yield f"<footer>Written by edgeq {escape(report.edgeq)} from raw samples kept in run.json. Percentiles interpolate "
    yield "linearly (Hyndman-Fan type 7); intervals come from order statistics, or where starred from a bootstrap. "
    yield "Outliers: modified z-score above 3.5.</footer>"
