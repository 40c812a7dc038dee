"""TFLite's fixed-point arithmetic, exactly: multipliers from scales, requantization, activation ranges.

Source: TensorFlow Lite's `quantization_util.cc` and `kernel_util.cc`, two roundings (the default build).
"""

from __future__ import annotations

import math

import numpy as np

from edgeq.micro.fields import Scale

INT8 = (-128, 127)
UINT8 = (0, 255)


def scale_of(real: float) -> Scale:
    """`real` >= 0 as a multiplier of 31 bits and a shift; too small a value is 0."""
    if real == 0.0:
        return Scale(0, 0)
    fraction, shift = math.frexp(real)
    mult = round_half_away(fraction * (1 << 31))
    if mult == 1 << 31:
        mult, shift = mult // 2, shift + 1
    return Scale(0, 0) if shift < -31 else Scale(mult, shift)


def round_half_away(value: float) -> int:
    """As C's `round`."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def activation_range(activation: str, scale: float, zero_point: int, limits: tuple[int, int] = INT8) -> tuple[int, int]:
    """The clamp that a fused activation means for an output with this scale and zero point; None-like is `limits`."""
    low, high = limits
    bounds = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}.get(
        activation
    )
    if bounds is None:
        return limits
    least, most = bounds
    low = max(low, quantized(least, scale, zero_point))
    return low, high if most is None else min(high, quantized(most, scale, zero_point))


def quantized(value: float, scale: float, zero_point: int) -> int:
    """The integer that stands for `value`: divided in float32, rounded half away from zero.

    `ValueError` or `OverflowError` for a scale that is no use for it.
    """
    with np.errstate(all="ignore"):
        return zero_point + round_half_away(float(np.float32(value) / np.float32(scale)))
