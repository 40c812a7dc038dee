"""Tables of the HTML report: with captions and scopes for screen readers; wide ones scroll by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from edgeq.render.words import STARRED, figure_text, interval_text, tag
from edgeq.report import Figure

Cell = str
"""HTML already: what comes from a run goes through `escape` first."""


def tag_html(how: str, words: str = "") -> str:
    """The visible label that says how a figure was obtained."""
    return f'<span class="tag {escape(how)}">{escape(words or how)}</span>'


def tagged(figure: Figure) -> str:
    """The label of a figure."""
    return tag_html(figure.how, tag(figure))


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    kind: str = "",
    right: int = 0,
    mark: str = "",
    marks: Sequence[str] = (),
) -> str:
    """The first cell of a row is its header; columns 1 to `right` are numbers. Without `head` there is none.

    `mark` is the label of all figures in it, where they were obtained alike; `marks` are those of its columns."""
    titles = "".join(
        f'<th scope="col"{_side(place, right)}>{escape(name) or "<span class=hidden>what</span>"}'
        f"{marks[place] if place < len(marks) else ''}</th>"
        for place, name in enumerate(head)
    )
    body = "".join(f"<tr>{_row(row, right)}</tr>" for row in rows)
    top = f"<thead><tr>{titles}</tr></thead>" if head else ""
    return f'<table class="{kind}"><caption>{escape(caption)} {mark}</caption>{top}<tbody>{body}</tbody></table>'


def _row(row: Sequence[Cell], right: int) -> str:
    first, *rest = row
    cells = "".join(f"<td{_side(place, right)}>{cell}</td>" for place, cell in enumerate(rest, 1))
    return f'<th scope="row">{first}</th>{cells}'


def _side(place: int, right: int) -> str:
    return ' class="n"' if 0 < place <= right else ""


def scrolling(caption: str, told: str) -> str:
    """A wide table scrolls sideways by itself on a narrow screen, also by keyboard."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">{told}</div>'


def figures(caption: str, chosen: Sequence[Figure], notes: Iterable[str] = ()) -> str:
    """Figures with their intervals and how each was obtained; nothing where there are none."""
    if not chosen:
        return ""
    bounded = any(interval_text(figure) for figure in chosen)
    alike = tagged(chosen[0]) if len({tagged(figure) for figure in chosen}) == 1 else ""
    head = ["Figure", "Value", *(["95 % interval"] if bounded else []), *([] if alike else ["Obtained"])]
    rows = (
        [
            escape(figure.label),
            f"<strong>{escape(figure_text(figure))}</strong>",
            *([escape(interval_text(figure))] if bounded else []),
            *([] if alike else [tagged(figure)]),
        ]
        for figure in chosen
    )
    starred = [STARRED] if any(figure.bootstrap for figure in chosen) else []
    told = "".join(f"<li>{escape(note)}</li>" for note in dict.fromkeys([*notes, *starred]) if note)
    below = f'<ul class="notes">{told}</ul>' if told else ""
    return f"<div>{table(caption, head, rows, '', 2 if bounded else 1, alike)}{below}</div>"


def pairs(caption: str, rows: Iterable[tuple[str, str]], kind: str = "facts") -> str:
    """Labels and texts."""
    return table(caption, (), ((escape(name), escape(text)) for name, text in rows), kind)


def alternative(caption: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """What a plot shows, as a table that is unfolded by those who want it."""
    told = scrolling(caption, table(caption, head, rows, "data", right=len(head)))
    return f"<details><summary>As a table<span class=hidden>: {escape(caption)}</span></summary>{told}</details>"
