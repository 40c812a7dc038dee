"""The fixed-point functions behind TFLite's integer logistic, tanh and softmax, exactly, one number at a time.

Raw numbers are int32; a format Qm.n has m integer bits. Source: gemmlowp's `fixedpoint.h`, which TFLite computes with.
"""

from __future__ import annotations

MAX = (1 << 31) - 1
MIN = -(1 << 31)
_STEPS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
"""exp(-2^n) for n = -2 .. 4, in Q0.31."""


def saturated(x: int) -> int:
    """As an int32."""
    return max(MIN, min(MAX, x))


def wrapped(x: int) -> int:
    """As an int32 that overflows."""
    return (x - MIN) % (1 << 32) + MIN


def high_mul(a: int, b: int) -> int:
    """(a * b * 2) / 2^32, rounded to nearest; the product of two fixed-point numbers."""
    return MAX if a == b == MIN else (a * b + (1 << 30)) >> 31


def divide(x: int, exponent: int) -> int:
    """x / 2^exponent, rounded to nearest, ties away from zero."""
    return (x + (1 << (exponent - 1)) - (x < 0)) >> exponent if exponent else x


def multiply(x: int, mult: int, shift: int) -> int:
    """x * mult * 2^(shift - 31) with TFLite's two roundings."""
    return divide(high_mul(wrapped(x << max(shift, 0)), mult), max(-shift, 0))


def exp_of_negative(a: int, integer_bits: int) -> int:
    """exp(a) in Q0.31 for a <= 0 with so many integer bits."""
    if a == 0:
        return MAX
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    part = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(saturated(part << integer_bits))
    rest = part - a
    for exponent, factor in _STEPS:
        if integer_bits > exponent and rest & (1 << (fraction + exponent)):
            result = high_mul(result, factor)
    return result


def _exp_near_zero(a: int) -> int:
    """exp(a) for -1/4 <= a < 0, both in Q0.31."""
    c, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    y = divide(high_mul(divide(x4, 2) + x3, third) + x2, 1)
    return c + high_mul(c, x + y)


def _newton(a: int) -> int:
    """2 / (1 + a) in Q2.29 for 0 <= a < 1 in Q0.31."""
    total = a + MAX
    half = (total + 1) // 2
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        x += saturated(high_mul(x, (1 << 29) - high_mul(half, x)) << 2)
    return x


def reciprocal(a: int) -> int:
    """1 / (1 + a), both in Q0.31, a >= 0."""
    return saturated(_newton(a) << 1)


def logistic(a: int) -> int:
    """1 / (1 + exp(-a)) in Q0.31 for a in Q4.27."""
    if a == 0:
        return 1 << 30
    positive = reciprocal(exp_of_negative(-abs(a), 4))
    return positive if a > 0 else MAX - positive


def tanh(a: int) -> int:
    """tanh(a) in Q0.31 for a in Q4.27."""
    if a == 0:
        return 0
    positive = saturated((_newton(exp_of_negative(-abs(a), 5)) - (1 << 29)) << 2)
    return positive if a > 0 else -positive
