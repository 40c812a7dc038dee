"""How samples are spread: counts per bin above, the share of samples below, on one axis."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.render.svg.draw import (
    BOTTOM,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Item,
    bar,
    line,
    number,
    picture,
    text,
    ticks,
    x_axis,
    y_ticks,
)

HIGH, LOW, GAP = 110, 104, 26
"""Heights of the upper and the lower part, and what is between them."""
ROW = 15


def distribution(
    values: Sequence[float],
    bins: int,
    marks: Sequence[Item],
    how: str,
    unit: str,
    title: str,
    window: tuple[float, float] | None = None,
) -> str:
    """A histogram above and the cumulative share below; `marks` are quantiles (`label` p50, `text` beside it).

    Values outside `window` are not drawn; they count in the share.
    """
    low, high = window or (min(values), max(values))
    if high <= low:
        low, high = low - (abs(low) * 0.05 or 1), high + (abs(high) * 0.05 or 1)
    head = TOP + ROW * len(marks)
    x = Axis(low, high, LEFT, WIDTH - RIGHT)
    base, foot = head + HIGH, head + HIGH + GAP + LOW
    body = [*_counts(values, bins, x, Axis(0, 1, base, head), how)]
    body += _share(values, x, Axis(0, 1, foot, base + GAP), how, unit)
    for row, mark in enumerate(marks):
        if low <= mark.value <= high:
            at, level = x.at(mark.value), TOP - 8 + row * ROW
            anchor = "end" if at > WIDTH * 0.72 else "start"
            body.append(line("mark", at, level, at, foot))
            body.append(text(at + (-4 if anchor == "end" else 4), level + 8, mark.text, "label strong", anchor))
    names = ", ".join(mark.text for mark in marks)
    description = f"{len(values)} samples from {number(min(values))} to {number(max(values))} {unit}; {names}; {how}."
    return picture(WIDTH, foot + BOTTOM, title, description, body)


def _counts(values: Sequence[float], bins: int, x: Axis, span: Axis, how: str) -> list[str]:
    counts = [0] * bins
    for value in values:
        if x.low <= value <= x.high:
            counts[min(bins - 1, int((value - x.low) / (x.high - x.low) * bins))] += 1
    y = Axis(0, max(counts) * 1.05 or 1, span.start, span.end)
    body = [y_ticks(y, ticks(0, y.high, 3), "samples"), line("axis", x.start, y.start, x.end, y.start)]
    width = (x.end - x.start) / bins
    for index, count in enumerate(counts):
        if count:
            left, top = x.start + index * width, y.at(count)
            body.append(bar(left + 0.5, top, max(width - 1, 0.5), y.start - top, how))
    return body


def _share(values: Sequence[float], x: Axis, y: Axis, how: str, unit: str) -> list[str]:
    """The share of samples that took at most so long, as steps; of many samples no step is moved by half a dot."""
    ordered = sorted(values)
    body = [x_axis(x, y.start, unit, y.end)]
    body += [
        line("grid", LEFT, y.at(share), WIDTH - RIGHT, y.at(share))
        + (text(LEFT - 6, y.at(share) + 3.5, f"{share * 100:g} %", "label", "end") if share != 0.9 else "")
        for share in (0, 0.5, 0.9, 1)
    ]
    inside = [(value, place + 1) for place, value in enumerate(ordered) if x.low <= value <= x.high]
    step = max(1, len(inside) // (2 * MOST_POINTS))
    path, drawn = "", inside[::step]
    if inside and drawn[-1] != inside[-1]:
        drawn.append(inside[-1])
    for value, place in drawn:
        path += f"{'H' if path else 'M'}{x.at(value):.1f}{'' if path else f' {y.start:.1f}'}"
        path += f"V{y.at(place / len(ordered)):.1f}"
    body.append(f'<path class="line {how}" d="{path}H{x.end:.1f}"/>' if path else "")
    return body
