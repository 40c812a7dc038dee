"""The fsync that follows a rename fails with EIO: what was renamed is visible already, and perhaps not for good. The
agent says what serves, and does not say that nothing has happened."""

from __future__ import annotations

from fault_lab import Lab
from fault_table import Row
from row_storage import fails
from strace_daemon import FIRST, Point, points


def _after_rename(lab: Lab) -> list[Point]:
    """Between the two there is only the opening of the folder."""
    there = [point for point in points(lab) if point.call == "fsync" and point.phase != FIRST]
    return [point for point in there if point.after in ("rename", "openat")]


def case(lab: Lab, number: int) -> None:
    point = _after_rename(lab)[number // 2]
    fails(lab, point, "EIO", for_good=number % 2 == 1)


ROW = Row(
    name="fsync",
    what="fsync after a rename fails (EIO), once or for good: the truth is told",
    cases=lambda lab: 2 * len(_after_rename(lab)),
    case=case,
    reduced=4,
)
