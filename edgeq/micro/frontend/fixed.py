"""Real numbers as the integers that a front end computes with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

SHIFT_MOST = 62
LEAST = 2.0**-40
"""What is smaller than this is as good as nothing."""
INT32 = (-(1 << 31), (1 << 31) - 1)


class Number(NamedTuple):
    """`struct eq_fe_number`: m * 2^e of 0 or more; m is 0 or has 32 bits."""

    m: int
    e: int


def number(real: float) -> Number:
    """The nearest one to `real`, which is 0 or more; 0 for what is below 2^-400."""
    if real < 2.0**-400:
        return Number(0, 0)
    fraction, exponent = math.frexp(real)
    m = round(fraction * (1 << 32))
    return Number(m >> 1, exponent - 31) if m == 1 << 32 else Number(m, exponent - 32)


def multiplier(real: float) -> tuple[int, int]:
    """(mult, shift): `real` is mult / 2^shift, as exactly as 32 bits can say it. |real| is below 2^31."""
    (mult,), shift = multipliers([real])
    return mult, shift


def multipliers(reals: Sequence[float]) -> tuple[list[int], int]:
    """The same for several with one shift. `OverflowError` where 32 bits do not reach."""
    largest = max(map(abs, reals))
    shift = SHIFT_MOST if largest == 0 else min(SHIFT_MOST, 31 - math.frexp(largest)[1])
    if shift < 0:
        raise OverflowError(f"{largest:g} does not fit into 32 bits")
    found = [_scaled(real, shift) for real in reals]
    if max(map(abs, found)) > INT32[1] and shift > 0:
        found = [_scaled(real, shift := shift - 1) for real in reals]
    return found, shift


def _scaled(real: float, shift: int) -> int:
    return round(math.ldexp(real, shift))


def held(value: float, low: int = INT32[0], high: int = INT32[1]) -> int:
    """Rounded, and held between two integers."""
    return round(min(max(value, low), high))


def exponent_for(bound: float, bits: int) -> int:
    """The exponent of the unit in which `bound` has at most that many bits; as if it were LEAST where it is less."""
    return math.frexp(max(bound, LEAST))[1] - bits
