"""A report as one self-contained HTML page: no network, no scripts, plots inline; every text from a run is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from edgeq.render import plots
from edgeq.render.plots import tag_html
from edgeq.render.style import CSS
from edgeq.render.words import (
    HOW_WORDS,
    VERDICT_WORDS,
    environment,
    environment_title,
    facts,
    figure_text,
    interval_text,
    tag,
)
from edgeq.report import Figure, Report, Section

CARDS = ("p50", "p90", "p99", "throughput", "instructions", "rss_peak", "ram", "energy", "accuracy", "drop")
READINGS = (("Reading", ""), ("Before", ' class="n"'), ("After", ' class="n"'))


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
    first, *more = report.headlines
    yield f'<header><p class="kicker">edgeq report</p><h1>{escape(report.title)}</h1>'
    yield f'<div class="verdict {report.verdict}"><p class="lead">{escape(first)}</p>'
    yield "".join(f"<p>{escape(sentence)}</p>" for sentence in more)
    yield f'<p class="more">Verdict: {_verdict(report.verdict)}</p></div>'
    if len(report.sections) > 1:
        links = (f'<li><a href="#run-{i}">{escape(s.label)}</a></li>' for i, s in enumerate(report.sections, 1))
        yield f'<nav aria-label="Runs"><ul>{"".join(links)}</ul></nav>'
    used = {figure.how for section in report.sections for figure in section.figures()}
    key = (f"<dt>{tag_html(how)}</dt><dd>{escape(words)}</dd>" for how, words in HOW_WORDS.items() if how in used)
    yield f'<dl class="key">{"".join(key)}</dl></header>'


def _verdict(verdict: str) -> str:
    return f'<span class="word {verdict}">{escape(VERDICT_WORDS[verdict])}</span>'


def _main(report: Report) -> Iterator[str]:
    if report.comparison:
        head = "".join(f'<th scope="col">{escape(section.label)}</th>' for section in report.sections)
        rows = (
            f'<tr><th scope="row">{escape(row.label)}</th>{"".join(map(_cell, row.cells))}</tr>'
            for row in report.comparison
        )
        yield '<section aria-labelledby="side"><h2 id="side">Side by side</h2>'
        yield "".join(f'<p class="remark">{escape(remark)}</p>' for remark in report.remarks)
        across = "".join(plots.across(report))
        yield f'<div class="plots single">{across}</div>' if across else ""
        yield _table("Figures of every run", f'<tr><th scope="col">Figure</th>{head}</tr>', rows, "compare")
        yield "</section>"
    for number, section in enumerate(report.sections, 1):
        yield from _section(section, number, alone=not report.comparison)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return '<td><span aria-label="none">-</span></td>'
    return f"<td>{escape(figure_text(figure))} {_tag(figure)}</td>"


def _tag(figure: Figure) -> str:
    return tag_html(figure.how, tag(figure))


def _section(section: Section, number: int, alone: bool) -> Iterator[str]:
    """One run. Where it is `alone`, the page's head has said its headline already."""
    yield f'<section class="run" id="run-{number}" aria-labelledby="title-{number}"><div class="heading">'
    yield f'<h2 id="title-{number}">{escape(section.label)}</h2>{tag_html(section.how)}'
    yield f"{_verdict(section.run.verdict)}</div>"
    yield "" if alone else f'<p class="headline">{escape(section.headline)}</p>'
    yield from _issues(section)
    cards = (figure for name in CARDS if (figure := section.figure(name)))
    yield '<div class="cards">' + "".join(map(_card, cards)) + "</div>"
    if section.notes:
        yield f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in section.notes)}</ul>'
    yield f'<div class="plots">{"".join(plots.of_section(section))}</div>'
    yield '<div class="pair">'
    yield _figures("Latency, steady state", section.latency, section)
    yield _figures("From cold to steady", section.stages, section)
    yield _figures("Instructions", section.instructions, section)
    yield '</div><div class="pair">'
    yield _figures("Memory, power and energy", [*section.memory, *section.power], section)
    if section.accuracy:
        found = section.accuracy
        caption = f"Accuracy, {found.accuracy.at} with {found.samples} samples"
        yield _figures(caption, found.figures, section)
    yield '</div><div class="pair">'
    yield _environment(section)
    rows = (f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>' for name, text in facts(section))
    yield _table("What was measured, and where", "", rows, "facts")
    yield "</div></section>"


def _issues(section: Section) -> Iterator[str]:
    if section.run.issues:
        items = (
            f'<li class="{escape(issue.severity)}"><span class="severity">{escape(issue.severity)}</span> '
            f'{escape(issue.message)} <span class="hint">{escape(issue.hint)}</span> '
            f"<code>{escape(issue.code)}</code></li>"
            for issue in section.run.issues
        )
        yield f'<ul class="issues" aria-label="Issues">{"".join(items)}</ul>'


def _card(figure: Figure) -> str:
    return (
        f'<div class="card"><p class="name">{escape(figure.label)}</p>'
        f'<p class="big">{escape(figure_text(figure))}</p>{_tag(figure)}</div>'
    )


def _figures(caption: str, figures: Sequence[Figure], section: Section) -> str:
    if not figures:
        return ""
    bounded = any(interval_text(figure) for figure in figures)
    head = '<tr><th scope="col">Figure</th><th scope="col" class="n">Value</th>'
    head += '<th scope="col" class="n">95 % interval</th>' if bounded else ""
    head += '<th scope="col">Obtained</th></tr>'
    rows = (
        f'<tr><th scope="row">{escape(figure.label)}</th>'
        f'<td class="n"><strong>{escape(figure_text(figure))}</strong></td>'
        + (f'<td class="n">{escape(interval_text(figure))}</td>' if bounded else "")
        + f"<td>{_tag(figure)}</td></tr>"
        for figure in figures
    )
    sources = dict.fromkeys(figure.source for figure in section.power if figure.source and figure in figures)
    notes = "".join(f"<li>{escape(source)}</li>" for source in sources)
    table = _table(caption, head, rows)
    return f'<div>{table}<ul class="notes">{notes}</ul></div>' if notes else f"<div>{table}</div>"


def _environment(section: Section) -> str:
    readings = environment(section.run)
    if not readings:
        return '<p class="notes">The device gave no readings.</p>'
    rows = (
        f'<tr><th scope="row">{escape(name)}</th><td class="n">{escape(before)}</td>'
        f'<td class="n">{escape(after)}</td></tr>'
        for name, before, after in readings
    )
    head = "".join(f'<th scope="col"{side}>{name}</th>' for name, side in READINGS)
    return _table(environment_title(section.run), f"<tr>{head}</tr>", rows)


def _table(caption: str, head: str, rows: Iterable[str], kind: str = "") -> str:
    """A table that scrolls sideways by itself on a narrow screen, also by keyboard."""
    body = f"<tbody>{''.join(rows)}</tbody>"
    name = escape(caption)
    thead = f"<thead>{head}</thead>" if head else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{name}">'
        f'<table class="{kind}"><caption>{name}</caption>{thead}{body}</table></div>'
    )


def _foot(report: Report) -> Iterator[str]:
    yield f"<footer>Written by edgeq {escape(report.edgeq)} from raw samples kept in run.json. Percentiles interpolate "
    yield "linearly (Hyndman-Fan type 7); their intervals come from order statistics. Outliers: modified z-score above "
    yield "3.5.</footer>"
