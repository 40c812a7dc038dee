"""`log1pf` as C libraries of microcontrollers have it (Sun's fdlibm, in newlib; in glibc before 2.41), bit by bit.

TFLM's filter weights depend on its last bit; a correctly rounded logarithm gives a few weights that differ by one.
"""

from __future__ import annotations

from typing import Any

_POLYNOMIAL = (0x3F2AAAAB, 0x3ECCCCCD, 0x3E924925, 0x3E638E29, 0x3E3A3325, 0x3E1CD04F, 0x3E178897)
_LN2_HIGH, _LN2_LOW = 0x3F317180, 0x3717F7D1
_ROOT_2_LESS_1, _ROOT_2_MANTISSA = 0x3ED413D7, 0x3504F7


def log1p_f32(x: Any) -> Any:
    """ln(1 + x) as float32, for finite x of 0 or more."""
    import numpy as np

    one, half, two = np.float32(1), np.float32(0.5), np.float32(2)
    x = np.float32(x)
    if x < np.float32(2.0**-29):
        return x
    power, rest, f = 0, np.float32(0), x
    if int(x.view(np.uint32)) >= _ROOT_2_LESS_1:
        u = one + x
        bits = int(u.view(np.uint32))
        power = (bits >> 23) - 127
        rest = (one - (u - x) if power > 0 else x - (u - one)) / u
        mantissa = bits & 0x7FFFFF
        large = mantissa >= _ROOT_2_MANTISSA
        power += large
        f = _float(mantissa | (0x3F000000 if large else 0x3F800000)) - one
    square = half * f * f
    s = f / (two + f)
    z = s * s
    series = np.float32(0)
    for coefficient in reversed(_POLYNOMIAL):
        series = z * (_float(coefficient) + series)
    if power == 0:
        return f - (square - s * (square + series))
    k = np.float32(power)
    return k * _float(_LN2_HIGH) - ((square - (s * (square + series) + (k * _float(_LN2_LOW) + rest))) - f)


def _float(bits: int) -> Any:
    import numpy as np

    return np.uint32(bits).view(np.float32)
