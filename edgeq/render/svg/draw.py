"""What every plot is drawn with: axes with round ticks, marks, and the frame that a screen reader reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from edgeq.render.style import CSS

WIDTH, WIDE = 480, 1000
"""Lengths are in user units of a box so wide: half of a page, and all of it."""
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 22, 36
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

    def ticks(self, most: int) -> list[float]:
        """Round numbers on it."""
        return ticks(self.low, self.high, most)


@dataclass(frozen=True)
class LogAxis(Axis):
    """One on which equal factors are equal lengths; `low` is above 0."""

    def at(self, value: float) -> float:
        return Axis(math.log(self.low), math.log(self.high), self.start, self.end).at(math.log(value))

    def ticks(self, most: int) -> list[float]:
        """1, 2 and 5 times powers of ten, or these alone where that were too many."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1,)):
            found = [factor * 10.0**power for power in powers for factor in factors]
            found = [value for value in found if self.low <= value <= self.high]
            if len(found) <= most + 1:
                return found
        return found[:: -(-len(found) // (most + 1))]


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


def padded(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    """A range in which the values stand free: from zero where they come near it, so that none is exaggerated."""
    low, high = min(values), max(values)
    if low >= 0 and low < 0.35 * high:
        return 0.0, high * (1 + share) or 1.0
    pad = (high - low) * share * 2 or abs(high) * 0.05 or 1.0
    return low - pad, high + pad


def picture(width: float, height: float, title: str, description: str, body: Sequence[str], kind: str = "") -> str:
    """The whole: an image to a screen reader, with what it shows in words."""
    name = f"{escape(title)}. {escape(description)}"
    chosen = f' class="{kind}"' if kind else ""
    head = f'<svg role="img"{chosen} viewBox="0 0 {width:g} {height:g}" aria-label="{name}">'
    return f"{head}<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(body)}</svg>"


def standalone(drawn: str) -> str:
    """A picture as a file of its own, with its colours."""
    opened = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, _, rest = opened.partition(">")
    return f"{head}><style><![CDATA[{CSS}svg{{background:var(--bg);padding:12px}}]]></style>{rest}\n"


def x_axis(x: Axis, base: float, unit: str, grid_top: float | None, most: int = 6) -> str:
    """The line at `base` with its ticks, and a grid up to `grid_top` where that is given."""
    parts = [line("axis", x.start, base, x.end, base)]
    for tick in x.ticks(most):
        at = x.at(tick)
        if grid_top is not None:
            parts.append(line("grid", at, grid_top, at, base))
        parts.append(text(at, base + 15, number(tick), "label", "middle"))
    parts.append(text(x.end, base + 30, unit, "label", "end"))
    return "".join(parts)


def y_ticks(y: Axis, at: Sequence[float], unit: str, right: float = WIDTH - RIGHT) -> str:
    """A grid across, and the unit above."""
    short = len(unit) < 4
    parts = [text(LEFT - 6 if short else 0, y.end - 10, unit, "label", "end" if short else "start")]
    for tick in at:
        level = y.at(tick)
        parts.append(line("grid", LEFT, level, right, level))
        parts.append(text(LEFT - 6, level + 3.5, number(tick), "label", "end"))
    return "".join(parts)


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def rect(kind: str, x: float, y: float, width: float, height: float, told: str = "") -> str:
    """`told` is shown where a pointer rests on it."""
    box = f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f"{box}><title>{escape(told)}</title></rect>" if told else f"{box}/>"


def bar(x: float, y: float, width: float, height: float, how: str, told: str = "") -> str:
    return rect(f"bar {how}", x, y, width, height, told)


def dot(x: float, y: float, r: float, how: str, told: str = "") -> str:
    mark = f'<circle class="dot {how}" cx="{x:.1f}" cy="{y:.1f}" r="{r:g}"'
    return f"{mark}><title>{escape(told)}</title></circle>" if told else f"{mark}/>"


def clipped(words: str, most: int) -> str:
    """At most so many letters."""
    return words if len(words) <= most else f"{words[: most - 1]}…"
