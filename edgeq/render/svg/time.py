"""What happened when: samples in their order, quantities over time, and the readings that were taken meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.render.svg.draw import (
    BOTTOM,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    WIDE,
    WIDTH,
    Axis,
    dot,
    line,
    number,
    padded,
    picture,
    rect,
    text,
    ticks,
    x_axis,
    y_ticks,
)

MAIN, LANE, GAP = 178, 46, 30


@dataclass(frozen=True)
class Lane:
    """A reading over time, drawn below: its name, unit, times, values, and the least span of its axis."""

    name: str
    unit: str
    t: Sequence[float]
    values: Sequence[float]
    span: float = 0.0


@dataclass(frozen=True)
class Step:
    """One interval of a sustained bench: its median and the ends of that one's interval."""

    start: float
    end: float
    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Track:
    """Samples over time, in `unit`. `t` are their times, or their numbers where those are not known (`axis` says
    which); `warmup` samples came before; `outliers` are places among `values`; `shades` are times in which something
    was so, with its name; `flag` is a time with its words; values above `ceiling` are triangles at the top."""

    values: Sequence[float]
    t: Sequence[float]
    axis: str
    unit: str
    how: str
    median: float
    outliers: Sequence[int] = ()
    warmup: Sequence[float] = ()
    steps: Sequence[Step] = ()
    lanes: Sequence[Lane] = ()
    shades: Sequence[tuple[float, float, str]] = ()
    flag: tuple[float, str] | None = None
    ceiling: float = math.inf


def track(given: Track, title: str, wide: bool = False) -> str:
    """Samples with their readings below on the same axis; as wide as the page, or half of it."""
    width = WIDE if wide else WIDTH
    low, high = (0, max(len(given.warmup) + len(given.values) - 1, 1)) if given.warmup else _span(given.t)
    x = Axis(low, high, LEFT, width - RIGHT)
    every = [min(value, given.ceiling) for value in (*given.warmup, *given.values)]
    y = Axis(*padded(every), TOP + MAIN, TOP)
    foot = y.start + len(given.lanes) * (GAP + LANE)
    body = [_shade(x, start, end, name, foot) for start, end, name in given.shades]
    body += [*_warm(given, x, y), y_ticks(y, ticks(y.low, y.high, 5), given.unit, x.end)]
    body += [*_samples(given, x, y, len(given.warmup)), line("axis", x.start, y.start, x.end, y.start)]
    body += [part for place, lane in enumerate(given.lanes) for part in _lane(lane, x, y.start, place, given.how)]
    if given.flag:
        at = x.at(given.flag[0])
        anchor = "end" if at > width * 0.6 else "start"
        body.append(line("flag", at, TOP - 12, at, foot))
        body.append(text(at + (-5 if anchor == "end" else 5), TOP - 6, given.flag[1], "label bad", anchor))
    body.append(x_axis(x, foot, given.axis, None, 10 if wide else 6))
    return picture(width, foot + BOTTOM, title, _words(given), body, "wide" if wide else "")


def _span(t: Sequence[float]) -> tuple[float, float]:
    low, high = min(t), max(t)
    return (0.0 if 0 <= low < 0.2 * high else low), (high if high > low else low + 1)


def _words(given: Track) -> str:
    told = [f"{len(given.values)} steady samples, median {number(round(given.median, 4))} {given.unit}"]
    told += [f"{len(given.warmup)} warm-up samples before"] if given.warmup else []
    told += [f"{len(given.outliers)} outliers"]
    told += [
        f"{lane.name} {number(min(lane.values))} to {number(max(lane.values))} {lane.unit}" for lane in given.lanes
    ]
    told += [given.flag[1]] if given.flag else []
    return f"{'; '.join(told)}; {given.how}."


def _shade(x: Axis, start: float, end: float, name: str, foot: float) -> str:
    left, right = max(x.at(start), x.start), min(x.at(end), x.end)
    return rect("alarm", left, TOP, max(right - left, 1), foot - TOP, name)


def _warm(given: Track, x: Axis, y: Axis) -> list[str]:
    if not given.warmup:
        return []
    edge = x.at(len(given.warmup) - 0.5)
    return [rect("shade", LEFT, TOP, edge - LEFT, y.start - TOP), text(LEFT + 4, y.start - 5, "warm-up", "label")]


def _samples(given: Track, x: Axis, y: Axis, first: int) -> list[str]:
    raw = [*given.warmup, *given.values]
    values = [min(value, given.ceiling) for value in raw]
    at = list(range(len(values))) if first else given.t
    most, body = MOST_POINTS, list[str]()
    if not given.steps:
        body.append(line("mark", x.start, y.at(given.median), x.end, y.at(given.median)))
    if len(values) <= most:
        body += [
            dot(x.at(when), y.at(value), 1.7, given.how)
            for when, value in zip(at, raw, strict=True)
            if value <= given.ceiling
        ]
    else:
        body.append(envelope(at, values, x, y, given.how))
    above = {round(x.at(when)) for when, value in zip(at, raw, strict=True) if value > given.ceiling}
    body += [_triangle(place, y.end, given.how) for place in sorted(above)]
    for step in given.steps:
        left, right = x.at(step.start), min(x.at(step.end), x.end)
        body.append(rect("band", left, y.at(step.high), max(right - left, 1), max(y.at(step.low) - y.at(step.high), 1)))
    if given.steps:
        body.append(_stairs(given.steps, x, y))
    for index in given.outliers[:MOST_POINTS] if len(values) <= most else ():
        place = first + index
        if raw[place] > given.ceiling:
            continue
        body.append(f'<circle class="ring" cx="{x.at(at[place]):.1f}" cy="{y.at(values[place]):.1f}" r="4.2"/>')
    return body


def _triangle(x: float, top: float, how: str) -> str:
    return f'<path class="dot {how}" d="M{x - 3.5:.1f} {top + 7:.1f}h7l-3.5 -7z"/>'


def _stairs(steps: Sequence[Step], x: Axis, y: Axis) -> str:
    path = ""
    for step in steps:
        path += f"{'L' if path else 'M'}{x.at(step.start):.1f} {y.at(step.middle):.1f}"
        path += f"H{min(x.at(step.end), x.end):.1f}"
    return f'<path class="stairs" d="{path}"/>'


def _lane(lane: Lane, x: Axis, above: float, place: int, how: str) -> list[str]:
    """One reading: its range in words at its head, and the line through its values, as far as the axis reaches."""
    base = above + (place + 1) * (GAP + LANE)
    t, values = within(lane.t, lane.values, x.low, x.high)
    low, high = min(values), max(values)
    free = max(lane.span - (high - low), (high - low) * 0.16) / 2
    y = Axis(low - free if low >= free or low < 0 else 0.0, high + free or 1.0, base, base - LANE)
    ends = f"{lane.name}: {number(low)}{f' .. {number(high)}' if high > low else ''} {lane.unit}"
    body = [text(x.start, y.end - 6, ends, "label strong"), line("axis", x.start, base, x.end, base)]
    body += [text(LEFT - 6, y.at(end) + 3.5, number(end), "label", "end") for end in ticks(y.low, y.high, 2)]
    return [*body, curve(t, values, x, y, f"reading {how}")]


def within(t: Sequence[float], v: Sequence[float], low: float, high: float) -> tuple[list[float], list[float]]:
    """The part of a curve from `low` to `high`, cut at both.

    Where every reading lies on one side, the nearest one holds: they come every second or so, and a bench may be short.
    """
    rows = sorted(zip(t, v, strict=True))
    inside = [row for row in rows if low <= row[0] <= high]
    before, behind = [row for row in rows if row[0] < low], [row for row in rows if row[0] > high]
    if not inside and not (before and behind):
        nearest = (before[-1:] or behind[:1])[0][1]
        return [low, high], [nearest, nearest]
    kept = [*([_cut(low, before[-1], [*inside, *behind][0])] if before else []), *inside]
    kept += [_cut(high, [*before, *inside][-1], behind[0])] if behind else []
    return [row[0] for row in kept], [row[1] for row in kept]


def _cut(at: float, left: tuple[float, float], right: tuple[float, float]) -> tuple[float, float]:
    """The point at `at` of the line from `left` to `right`."""
    return at, left[1] + (right[1] - left[1]) * (at - left[0]) / (right[0] - left[0])


def curve(t: Sequence[float], v: Sequence[float], x: Axis, y: Axis, kind: str) -> str:
    """A line through all values; of very many through the least and the greatest of each column, so no peak is lost."""
    rows = list(zip(t, v, strict=True))
    if len(rows) > 4 * MOST_POINTS:
        kept = []
        for column in range(MOST_POINTS):
            part = rows[column * len(rows) // MOST_POINTS : (column + 1) * len(rows) // MOST_POINTS]
            ends = {min(part, key=lambda row: row[1]), max(part, key=lambda row: row[1])}
            kept += sorted(ends)
        rows = kept
    points = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in rows)
    return f'<polyline class="line {kind}" points="{points}"/>'


def envelope(t: Sequence[float], values: Sequence[float], x: Axis, y: Axis, how: str) -> str:
    """Strokes from the least to the greatest sample of each column, pale where it has many, and its middle 80 % dark:
    no peak is lost, and no rare one looks like many."""
    most = int(x.end - x.start)
    columns: dict[int, list[float]] = {}
    for when, value in zip(t, values, strict=True):
        column = min(most - 1, int((x.at(when) - x.start) / (x.end - x.start) * most))
        columns.setdefault(column, []).append(value)
    width = (x.end - x.start) / most
    pale, dark = list[str](), list[str]()
    for column, inside in sorted(columns.items()):
        inside.sort()
        at, cut = x.start + (column + 0.5) * width, len(inside) // 10
        whole = pale if cut else dark
        whole.append(_stroke(at, inside[0], inside[-1], y))
        if cut:
            dark.append(_stroke(at, inside[cut], inside[-1 - cut], y))
    faint = f'<path class="strip pale {how}" d="{"".join(pale)}"/>' if pale else ""
    return f'{faint}<path class="strip {how}" d="{"".join(dark)}"/>'


def _stroke(at: float, low: float, high: float, y: Axis) -> str:
    return f"M{at:.1f} {y.at(low):.1f}V{y.at(high) - 1.6:.1f}"


def over_time(
    t: Sequence[float], v: Sequence[float], windows: Sequence[tuple[float, float]], how: str, unit: str, title: str
) -> str:
    """A quantity over time in seconds; windows (when inferences ran) are shaded."""
    height = 216
    x = Axis(t[0], t[-1], LEFT, WIDTH - RIGHT)
    y = Axis(min(0.0, min(v)), max(v) * 1.06 or 1.0, height - BOTTOM, TOP)
    body = []
    for start, end in windows:
        left, right = x.at(start), x.at(end)
        body.append(rect("shade", left, TOP, right - left, y.start - TOP))
        body.append(text(left + 4, y.start - 6, "gate", "label"))
    body += [x_axis(x, y.start, "s", None), y_ticks(y, ticks(y.low, y.high, 5), unit), curve(t, v, x, y, how)]
    description = (
        f"{len(v)} samples over {number(round(t[-1] - t[0], 4))} s, up to {number(round(max(v), 4))} {unit}; {how}."
    )
    return picture(WIDTH, height, title, description, body)
