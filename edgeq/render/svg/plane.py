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
    clipped,
    dot,
    padded,
    picture,
    text,
    ticks,
    x_axis,
    y_ticks,
)


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
    """Less of x is better, and more of y, or less of it where `lower`; the front is joined by steps."""
    height = 260
    x = Axis(*padded([spot.x for spot in spots], 0.12), LEFT, WIDTH - RIGHT)
    y = Axis(*_free([spot.y for spot in spots]), height - BOTTOM, TOP)
    body = [x_axis(x, y.start, x_unit, TOP), y_ticks(y, ticks(y.low, y.high, 5), y_unit)]
    body.append(_front([spot for spot in spots if spot.front], x, y))
    taken: list[tuple[float, float]] = []
    for spot in sorted(spots, key=lambda each: (each.front, -each.y)):
        at, level = x.at(spot.x), y.at(spot.y)
        state = "chosen" if spot.chosen else "front" if spot.front else "behind"
        body.append(dot(at, level, 6 if spot.chosen else 4.5, f"{spot.how} {state}", spot.told or spot.label))
        if spot.label:
            body.append(_label(spot, at, level, taken))
    better = f"{'lower' if lower else 'higher'} and further left is better"
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


def _label(spot: Spot, at: float, level: float, taken: list[tuple[float, float]]) -> str:
    """Beside the dot, and where another label is already, above or below it."""
    anchor = "end" if at > WIDTH * 0.6 else "start"
    for shift in (3.5, -9.0, 16.0, -22.0, 29.0):
        if all(abs(level + shift - other) > 11 or abs(at - place) > 170 for place, other in taken):
            break
    taken.append((at, level + shift))
    beside = at + (-9 if anchor == "end" else 9)
    return text(beside, level + shift, clipped(spot.label, 44), "label strong" if spot.front else "label", anchor)
