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
    """`0.0012` -> `1.20 ms`; three significant digits."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if abs(seconds) < limit:
            return f"{three_digits(seconds * factor)} {unit}"
    return f"{three_digits(seconds)} s"


def three_digits(value: float) -> str:
    """`2.6` -> `2.60`, `12345.6` -> `12,346`, `0` -> `0`: three digits, no exponent for large values."""
    if value == 0 or abs(value) < 1e-3:
        return f"{value:.3g}"
    rounded = float(f"{value:.3g}")
    whole = len(str(int(abs(rounded)))) if abs(rounded) >= 1 else 0
    return f"{value:,.{3 - whole}f}" if whole in (1, 2) else f"{value:,.0f}" if whole else f"{value:#.3g}"


def format_percent(fraction: float, digits: int = 2) -> str:
    """`0.9731` -> `97.31 %`."""
    return f"{fraction * 100:.{digits}f} %"
