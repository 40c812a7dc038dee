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
    """Whether a JSON value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
