"""What is paid against what is had: choices as points, with the front that no other choice beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.render.svg.draw import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    LogAxis,
    clipped,
    dot,
    padded,
    picture,
    text,
    ticks,
    x_axis,
    y_ticks,
)

FACTOR = 10.0
"""From so many times the least on an axis goes by factors: else all but the greatest would lie on one spot."""
LETTER = 7.4
"""How wide one is, in the size that a narrow screen is given."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Spot:
    """One choice: where it lies, what it is called (nothing for one of many), and whether it is on the front."""

    x: float
    y: float
    label: str
    how: str
    front: bool
    told: str = ""
    chosen: bool = False


def plane(spots: Sequence[Spot], title: str, x_unit: str, y_unit: str, lower: bool, words: str) -> str:
    """Less of x is better, and more of y, or less of it where `lower`; the front is joined by steps.

    Where the greatest x is many times the least, its axis goes by factors.
    """
    height = 260
    least, most = min(spot.x for spot in spots), max(spot.x for spot in spots)
    x: Axis
    if least > 0 and most >= FACTOR * least:
        free = (most / least) ** 0.1
        x, x_unit = LogAxis(least / free, most * free, LEFT, WIDTH - RIGHT), f"{x_unit}, logarithmic"
    else:
        x = Axis(*padded([spot.x for spot in spots], 0.12), LEFT, WIDTH - RIGHT)
    y = Axis(*_free([spot.y for spot in spots]), height - BOTTOM, TOP)
    body = [x_axis(x, y.start, x_unit, TOP), y_ticks(y, ticks(y.low, y.high, 5), y_unit)]
    body.append(_front([spot for spot in spots if spot.front], x, y))
    better = f"{'lower' if lower else 'higher'} and further left is better"
    taken = [_box("end", WIDTH - RIGHT, TOP - 8, LETTER * len(better))]
    taken += [(x.at(spot.x) - 5, y.at(spot.y) - 5, x.at(spot.x) + 5, y.at(spot.y) + 5) for spot in spots]
    for spot in sorted(spots, key=lambda each: (each.front, -each.y)):
        at, level = x.at(spot.x), y.at(spot.y)
        state = "chosen" if spot.chosen else "front" if spot.front else "behind"
        body.append(dot(at, level, 6 if spot.chosen else 4.5, f"{spot.how} {state}", spot.told or spot.label))
    for spot in sorted(spots, key=lambda each: (not (each.front or each.chosen), -each.y)):
        if spot.label:
            body.append(_label(spot, x.at(spot.x), y.at(spot.y), taken))
    body.append(text(WIDTH - RIGHT, TOP - 8, better, "label", "end"))
    return picture(WIDTH, height, title, f"{words}; {better}.", body)


def _free(values: Sequence[float]) -> tuple[float, float]:
    """Accuracies lie close together: the axis shows the differences, not zero."""
    low, high = min(values), max(values)
    pad = (high - low) * 0.18 or abs(high) * 0.02 or 1.0
    return low - pad, high + pad


def _front(spots: Sequence[Spot], x: Axis, y: Axis) -> str:
    ordered = sorted(spots, key=lambda spot: spot.x)
    if len(ordered) < 2:
        return ""
    path = f"M{x.at(ordered[0].x):.1f} {y.at(ordered[0].y):.1f}"
    path += "".join(f"H{x.at(spot.x):.1f}V{y.at(spot.y):.1f}" for spot in ordered[1:])
    return f'<path class="edge" d="{path}"/>'


def _label(spot: Spot, at: float, level: float, taken: list[Box]) -> str:
    """Above the dot, or where there is room: no label lies on another one or on a dot. In a crowd only the front is
    named; a pointer, and the table beside, tell the others."""
    words = clipped(spot.label, 44)
    wide = LETTER * len(words)
    places = [
        (anchor, at + side, level + shift)
        for shift in (-10.0, 18.0, 4.0, -22.0, 30.0, -34.0)
        for anchor, side in (("start", 2.0), ("end", -2.0))
    ]
    boxes = [(_box(anchor, left, base, wide), anchor, left, base) for anchor, left, base in places]
    inside = [each for each in boxes if each[0][0] >= LEFT and each[0][2] <= WIDTH] or boxes
    free = next((each for each in inside if not any(_meet(each[0], other) for other in taken)), None)
    if free is None and not (spot.front or spot.chosen):
        return ""
    free = free or inside[0]
    box, anchor, left, base = free
    taken.append(box)
    return text(left, base, words, "label strong" if spot.front else "label", anchor)


def _box(anchor: str, at: float, base: float, wide: float) -> Box:
    left = at if anchor == "start" else at - wide
    return left, base - 9, left + wide, base + 2


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
