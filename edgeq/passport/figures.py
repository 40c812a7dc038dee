"""Numbers as a passport holds them."""

from __future__ import annotations

import math

DIGITS = 7


def rounded(value: float) -> float:
    """To seven digits: what is left differs neither with the order of a sum nor with the machine."""
    return float(f"{float(value):.{DIGITS}g}")


def listed(values: object) -> list[float]:
    """Several of them."""
    return [rounded(value) for value in values]  # type: ignore[attr-defined]


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number, and no larger than a float can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
