"""Plots as inline SVG: small, without scripts, coloured by the page's style sheet, readable by screen readers.

Every function gives one `<svg role="img">` with a title and a description. Lengths are in user units of a 480 wide box.
Classes that the page colours: `axis`, `grid`, `label`, and `measured`, `emulated`, `estimated` for marks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from edgeq.render.style import CSS

WIDTH = 480
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 36
MOST_POINTS = 500
"""Marks that are drawn one by one; above that a plot draws what stands for them."""


@dataclass(frozen=True)
class Axis:
    """A linear scale from data (`low` .. `high`) to lengths (`start` .. `end`)."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


@dataclass(frozen=True)
class Item:
    """One labelled amount for bars and dots: its text stands beside it."""

    label: str
    value: float
    text: str
    how: str
    low: float | None = None
    high: float | None = None


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) inside low .. high, at most `most` + 1 of them."""
    span = high - low
    # Below the resolution of its numbers a range has no round ones inside.
    if not span > 1e-9 * max(abs(low), abs(high)) or not math.isfinite(span):
        return [low]
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def number(value: float) -> str:
    """A tick's label: no exponent, no trailing zeros."""
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"


def histogram(
    values: Sequence[float],
    bins: int,
    marks: Sequence[tuple[str, float]],
    how: str,
    unit: str,
    title: str,
    window: tuple[float, float] | None = None,
) -> str:
    """Counts per bin, samples as a strip beneath, and named lines; values outside `window` are not drawn."""
    low, high = window or (min(values), max(values))
    inside = [value for value in values if low <= value <= high]
    if high <= low:
        low, high = low - (abs(low) * 0.05 or 1), high + (abs(high) * 0.05 or 1)
    x = Axis(low, high, LEFT, WIDTH - RIGHT)
    counts = [0] * bins
    for value in inside:
        counts[min(bins - 1, int((value - low) / (high - low) * bins))] += 1
    height = 236
    base = height - BOTTOM - 22
    y = Axis(0, max(counts) * 1.08, base, TOP + 8)
    body = [_x_axis(x, base + 22, unit, TOP), _y_ticks(y, ticks(0, y.high, 4), "samples")]
    width = (x.end - x.start) / bins
    for index, count in enumerate(counts):
        if count:
            left, top = x.start + index * width, y.at(count)
            body.append(_rect(left + 0.5, top, max(width - 1, 0.5), base - top, how))
    step = max(1, math.ceil(len(inside) / MOST_POINTS))
    strip = "".join(f"M{x.at(value):.1f} {base + 6}v10" for value in sorted(inside)[::step])
    body.append(f'<path class="strip {how}" d="{strip}"/>')
    for row, (name, value) in enumerate(marks):
        if low <= value <= high:
            at = x.at(value)
            anchor = "end" if at > WIDTH * 0.8 else "start"
            body.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 6 + row * 11}" y2="{base}"/>')
            body.append(_text(at + (-4 if anchor == "end" else 4), TOP + row * 11, name, "label strong", anchor))
    names = ", ".join(f"{name} {number(round(value, 4))} {unit}" for name, value in marks)
    description = f"{len(values)} samples from {number(min(values))} to {number(max(values))} {unit}; {names}; {how}."
    return _svg(height, title, description, body)


def trace(
    warmup: Sequence[float],
    steady: Sequence[float],
    median: float,
    outliers: Sequence[int],
    how: str,
    unit: str,
    title: str,
) -> str:
    """Every sample in the order it was taken: warm-up on a shade, the median as a line, outliers ringed."""
    values = [*warmup, *steady]
    height = 236
    x = Axis(0, max(len(values) - 1, 1), LEFT, WIDTH - RIGHT)
    y = Axis(0, max(values) * 1.06 or 1.0, height - BOTTOM, TOP)
    body = []
    if warmup:
        edge = x.at(len(warmup) - 0.5)
        body.append(f'<rect class="shade" x="{LEFT}" y="{TOP}" width="{edge - LEFT:.1f}" height="{y.start - TOP}"/>')
        body.append(_text(LEFT + 4, TOP + 11, "warm-up", "label"))
    body += [_x_axis(x, y.start, "sample", None), _y_ticks(y, ticks(0, y.high, 5), unit)]
    body.append(
        f'<line class="mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(median):.1f}" y2="{y.at(median):.1f}"/>'
    )
    if len(values) <= MOST_POINTS:
        body += [_dot(x.at(index), y.at(value), 1.7, how) for index, value in enumerate(values)]
    else:
        body.append(_envelope(values, x, y, how))
    for index in outliers[:MOST_POINTS]:
        at = len(warmup) + index
        body.append(f'<circle class="ring" cx="{x.at(at):.1f}" cy="{y.at(values[at]):.1f}" r="4.2"/>')
    description = (
        f"{len(warmup)} warm-up and {len(steady)} steady samples, median {number(round(median, 4))} {unit}, "
        f"{len(outliers)} outliers; {how}."
    )
    return _svg(height, title, description, body)


def bars(items: Sequence[Item], title: str, unit: str) -> str:
    """Horizontal bars from zero, each with its label above and its text beside it."""
    height = 10 + 40 * len(items) + 4
    x = Axis(0, max((item.value for item in items), default=1) or 1, 2, WIDTH - 150)
    body = []
    for row, item in enumerate(items):
        top = 8 + row * 40
        body.append(_text(2, top + 10, item.label, "label"))
        body.append(_rect(2, top + 15, max(x.at(item.value) - 2, 1), 14, item.how))
        body.append(_text(max(x.at(item.value), 3) + 7, top + 26, item.text, "label strong"))
    description = (
        "; ".join(f"{item.label} {item.text} ({item.how})" for item in items) + f"; bars start at zero {unit}."
    )
    return _svg(height, title, description, body)


def dots(items: Sequence[Item], title: str, unit: str, zero: str = "") -> str:
    """Dots with interval whiskers on one axis; `zero` names a line drawn at zero."""
    ends = [end for item in items for end in (item.low, item.high, item.value) if end is not None]
    low, high = min(ends), max(ends)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    height = TOP + 40 * len(items) + BOTTOM
    x = Axis(low - pad, high + pad, 14, WIDTH - 14)
    body = [_x_axis(x, height - BOTTOM, unit, TOP - 6)]
    if zero:
        at = x.at(0)
        body.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 8}" y2="{height - BOTTOM}"/>')
        body.append(
            _text(at + (5 if at < WIDTH / 2 else -5), TOP - 8, zero, "label", "start" if at < WIDTH / 2 else "end")
        )
    for row, item in enumerate(items):
        level = TOP + row * 40 + 26
        if item.low is not None and item.high is not None:
            left, right = x.at(item.low), x.at(item.high)
            d = f"M{left:.1f} {level}H{right:.1f}M{left:.1f} {level - 5}v10M{right:.1f} {level - 5}v10"
            body.append(f'<path class="whisker {item.how}" d="{d}"/>')
        body.append(_dot(x.at(item.value), level, 5, item.how))
        at = x.at(item.value)
        anchor = "start" if at < WIDTH * 0.3 else "end" if at > WIDTH * 0.7 else "middle"
        label = f"{item.label}: {item.text}" if item.label else item.text
        body.append(_text(min(max(at, 2), WIDTH - 2), level - 10, label, "label strong", anchor))
    description = "; ".join(f"{item.label} {item.text} ({item.how})" for item in items) + "."
    return _svg(height, title, description, body)


def line(
    t: Sequence[float], v: Sequence[float], windows: Sequence[tuple[float, float]], how: str, unit: str, title: str
) -> str:
    """A quantity over time in seconds; windows (when inferences ran) are shaded."""
    height = 216
    x = Axis(t[0], t[-1], LEFT, WIDTH - RIGHT)
    y = Axis(min(0.0, min(v)), max(v) * 1.06 or 1.0, height - BOTTOM, TOP)
    body = []
    for start, end in windows:
        left, right = x.at(start), x.at(end)
        body.append(
            f'<rect class="shade" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{y.start - TOP}"/>'
        )
        body.append(_text(left + 4, y.start - 6, "gate", "label"))
    body += [_x_axis(x, y.start, "s", None), _y_ticks(y, ticks(y.low, y.high, 5), unit)]
    step = max(1, len(v) // (4 * MOST_POINTS))
    points = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in zip(t[::step], v[::step], strict=True))
    body.append(f'<polyline class="line {how}" points="{points}"/>')
    description = (
        f"{len(v)} samples over {number(round(t[-1] - t[0], 4))} s, up to {number(round(max(v), 4))} {unit}; {how}."
    )
    return _svg(height, title, description, body)


def _envelope(values: Sequence[float], x: Axis, y: Axis, how: str) -> str:
    """Least and greatest sample of each column, joined by vertical strokes: no peak is lost."""
    columns = MOST_POINTS
    strokes = []
    for column in range(columns):
        start, stop = column * len(values) // columns, (column + 1) * len(values) // columns
        part = values[start : max(stop, start + 1)]
        top, bottom = y.at(max(part)), y.at(min(part))
        strokes.append(f"M{x.at((start + stop) / 2):.1f} {bottom:.1f}V{top - 0.8:.1f}")
    return f'<path class="strip {how}" d="{"".join(strokes)}"/>'


def standalone(picture: str) -> str:
    """A picture of this module as a file of its own, with its colours."""
    opened = picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, _, rest = opened.partition(">")
    return f"{head}><style><![CDATA[{CSS}svg{{background:var(--bg);padding:12px}}]]></style>{rest}\n"


def _svg(height: float, title: str, description: str, body: Sequence[str]) -> str:
    name = f"{escape(title)}. {escape(description)}"
    head = f'<svg role="img" viewBox="0 0 {WIDTH} {height:g}" aria-label="{name}">'
    return f"{head}<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(body)}</svg>"


def _x_axis(x: Axis, base: float, unit: str, grid_top: float | None) -> str:
    parts = [f'<line class="axis" x1="{x.start:g}" x2="{x.end:g}" y1="{base:g}" y2="{base:g}"/>']
    for tick in ticks(x.low, x.high, 6):
        at = x.at(tick)
        if grid_top is not None:
            parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{grid_top:g}" y2="{base:g}"/>')
        parts.append(_text(at, base + 15, number(tick), "label", "middle"))
    parts.append(_text(x.end, base + 30, unit, "label", "end"))
    return "".join(parts)


def _y_ticks(y: Axis, at: Sequence[float], unit: str) -> str:
    parts = [_text(LEFT - 6, TOP - 10, unit, "label", "end" if len(unit) < 8 else "middle")]
    for tick in at:
        level = y.at(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}"/>')
        parts.append(_text(LEFT - 6, level + 3.5, number(tick), "label", "end"))
    return "".join(parts)


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _rect(x: float, y: float, width: float, height: float, how: str) -> str:
    return f'<rect class="bar {how}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _dot(x: float, y: float, r: float, how: str) -> str:
    return f'<circle class="dot {how}" cx="{x:.1f}" cy="{y:.1f}" r="{r:g}"/>'
