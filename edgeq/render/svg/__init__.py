"""Plots as inline SVG: small, without scripts, coloured by the page's style sheet, readable by screen readers.

Every function gives one `<svg role="img">` with a title and a description. Lengths are in user units of a 480 wide box,
or a 1000 wide one. Classes that the page colours: `axis`, `grid`, `label`, and `measured`, `emulated`, `estimated` for
marks.
"""

from __future__ import annotations

from edgeq.render.svg.bars import Tank, bars, dots, rows, tanks
from edgeq.render.svg.draw import LEFT, MOST_POINTS, RIGHT, WIDE, WIDTH, Axis, Item, LogAxis, number, standalone, ticks
from edgeq.render.svg.plane import Spot, plane
from edgeq.render.svg.spread import distribution
from edgeq.render.svg.time import Lane, Step, Track, over_time, track

__all__ = [
    "LEFT",
    "MOST_POINTS",
    "RIGHT",
    "WIDE",
    "WIDTH",
    "Axis",
    "Item",
    "Lane",
    "LogAxis",
    "Spot",
    "Step",
    "Tank",
    "Track",
    "bars",
    "distribution",
    "dots",
    "number",
    "over_time",
    "plane",
    "rows",
    "standalone",
    "tanks",
    "ticks",
    "track",
]
