"""Amounts side by side: bars from zero, dots with intervals, and what is taken of what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.render.svg.draw import (
    BOTTOM,
    TOP,
    WIDE,
    WIDTH,
    Axis,
    Item,
    bar,
    clipped,
    dot,
    line,
    picture,
    rect,
    text,
    x_axis,
)

MOST_LETTERS = 46
"""Of a label."""
FARTHEST = 2.0
"""A whisker is drawn up to so many times the longest bar."""


def bars(items: Sequence[Item], title: str, unit: str) -> str:
    """Horizontal bars from zero, each with its label above and its text beside it."""
    height = 10 + 40 * len(items) + 4
    x = Axis(0, max((item.value for item in items), default=1) or 1, 2, WIDTH - 150)
    body = []
    for row, item in enumerate(items):
        top = 8 + row * 40
        body.append(text(2, top + 10, item.label, "label"))
        body.append(bar(2, top + 15, max(x.at(item.value) - 2, 1), 14, item.how))
        body.append(text(max(x.at(item.value), 3) + 7, top + 26, item.text, "label strong"))
    description = (
        "; ".join(f"{item.label} {item.text} ({item.how})" for item in items) + f"; bars start at zero {unit}."
    )
    return picture(WIDTH, height, title, description, body)


def rows(items: Sequence[Item], title: str, unit: str, wide: bool = False, full: float = 0.0) -> str:
    """Many bars from zero: label, bar with a whisker from least to greatest, text.

    The label stands before its bar where the picture is `wide`, else above it: no room of a telephone is left empty
    beside short bars. `full` is what there is of each, drawn behind it where it is not 0; its text may stand above too.
    """
    longest = max((len(item.label) for item in items), default=0)
    width, left, step = (WIDE, 22 + 7.6 * min(longest, MOST_LETTERS), 24) if wide else (WIDTH, 2.0, 38)
    # One slow inference of many would flatten all bars: a whisker that is longer than two of them ends in an arrow.
    longer = max((item.value for item in items), default=0.0)
    greatest = max([full, longer, *(min(item.high or 0.0, FARTHEST * longer) for item in items)]) or 1.0
    above = bool(full) and not wide
    beside = 0 if above else max(100.0, 8.4 * max((len(item.text) for item in items), default=0))
    x = Axis(0, greatest, left, width - beside - 12)
    body = [line("axis", left, 4, left, 8 + step * len(items))] if wide else []
    for row, item in enumerate(items):
        top = 8 + row * step + (0 if wide else 15)
        base, anchor = (top + 12, "end") if wide else (top - 5, "start")
        body.append(text(left - 8 * wide, base, clipped(item.label, MOST_LETTERS), "label", anchor))
        if full:
            body.append(rect("tank", left, top + 1, x.at(full) - left, 15))
        body.append(bar(left, top + 1, max(x.at(item.value) - left, 1), 15, item.how, f"{item.label}: {item.text}"))
        end = x.at(max(item.value, full))
        if item.low is not None and item.high is not None and item.high > item.low:
            beyond = item.high > greatest
            end = max(end, x.at(min(item.high, greatest)))
            body.append(_whisker(x.at(item.low), end, top + 8.5, 3, item.how, beyond))
        at, level, side = (width - 10.0, base, "end") if above else (end + 7, top + 12.5, "start")
        body.append(text(at, level, item.text, "label strong", side))
    description = "; ".join(f"{item.label} {item.text} ({item.how})" for item in items)
    words = f"{description}; bars start at zero {unit}."
    return picture(width, 12 + step * len(items), title, words, body, "wide" if wide else "")


def dots(items: Sequence[Item], title: str, unit: str, zero: str = "", least: float = 0.0) -> str:
    """Dots with interval whiskers on one axis; `zero` names a line drawn at zero, `least` is free on both sides."""
    ends = [end for item in items for end in (item.low, item.high, item.value) if end is not None]
    low, high = min(ends), max(ends)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    pad = max((high - low) * 0.08, least) or abs(high) * 0.1 or 1.0
    height = TOP + 40 * len(items) + BOTTOM
    x = Axis(low - pad, high + pad, 14, WIDTH - 14)
    body = [x_axis(x, height - BOTTOM, unit, TOP - 6)]
    if zero:
        at, near = x.at(0), x.at(0) < WIDTH / 2
        body.append(line("mark", at, TOP - 8, at, height - BOTTOM))
        body.append(text(at + (5 if near else -5), TOP - 8, zero, "label", "start" if near else "end"))
    for row, item in enumerate(items):
        level, at = TOP + row * 40 + 26, x.at(item.value)
        if item.low is not None and item.high is not None:
            body.append(_whisker(x.at(item.low), x.at(item.high), level, 5, item.how))
        body.append(dot(at, level, 5, item.how))
        anchor = "start" if at < WIDTH * 0.3 else "end" if at > WIDTH * 0.7 else "middle"
        label = f"{item.label}: {item.text}" if item.label else item.text
        body.append(text(min(max(at, 2), WIDTH - 2), level - 10, label, "label strong", anchor))
    description = "; ".join(f"{item.label} {item.text} ({item.how})" for item in items) + "."
    return picture(WIDTH, height, title, description, body)


def _whisker(left: float, right: float, level: float, half: float, how: str, beyond: bool = False) -> str:
    """Where it goes on `beyond` its right end, that one is an arrow."""
    last = f"M{right - half:.1f} {level - half:g}l{half:g} {half:g}l-{half:g} {half:g}"
    last = last if beyond else f"M{right:.1f} {level - half:g}v{2 * half:g}"
    ends = f"M{left:.1f} {level - half:g}v{2 * half:g}{last}"
    return f'<path class="whisker {how}" d="M{left:.1f} {level:g}H{right:.1f}{ends}"/>'


@dataclass(frozen=True)
class Tank:
    """Of one memory: what is taken, in parts, of how much; `share` and `told` stand beside it in words."""

    label: str
    needed: float
    limit: float
    parts: tuple[tuple[str, float], ...]
    how: str
    share: str
    told: str


def tanks(items: Sequence[Tank], title: str) -> str:
    """One bar for each memory, as long as all there is of it; where more is needed, that lies beyond the end."""
    step, body = 62, list[str]()
    for row, item in enumerate(items):
        top = 6 + row * step
        x = Axis(0, max(item.limit, item.needed), 2, WIDTH - 2)
        end = x.at(item.limit)
        body.append(text(2, top + 10, item.label, "label strong"))
        body.append(text(WIDTH - 2, top + 10, item.share, "label strong", "end"))
        body.append(rect("tank", 2, top + 16, end - 2, 18))
        start = 0.0
        for place, (name, value) in enumerate(item.parts or (("", item.needed),)):
            left, right = x.at(start), x.at(start + value)
            body.append(rect(f"part p{place % 3} {item.how}", left, top + 16, max(right - left, 1.5), 18, name))
            start += value
        if item.needed > item.limit:
            body.append(rect("excess", end, top + 16, x.at(item.needed) - end, 18, "more than there is"))
        body.append(line("limit", end, top + 13, end, top + 37))
        body.append(text(2, top + 48, item.told, "label"))
    description = "; ".join(f"{item.label} {item.share}, {item.told}" for item in items)
    return picture(WIDTH, 6 + step * len(items), title, f"{description}; a full bar is all there is.", body)
