"""Units at the edge: figures are kept in base units inside and formatted here, once."""

from __future__ import annotations


def format_bytes(count: float) -> str:
    """`98_496` -> `96.2 KiB` (binary multiples)."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def format_seconds(seconds: float) -> str:
    """`0.00123` -> `1.23 ms`; three significant digits."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if abs(seconds) < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"


def format_percent(fraction: float, digits: int = 2) -> str:
    """`0.9731` -> `97.31 %`."""
    return f"{fraction * 100:.{digits}f} %"
