"""Tables for operators of one int8: what TFLite Micro computes for each of the 256 inputs, -128 first."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgeq.micro import gemmlowp
from edgeq.micro.gemmlowp import MAX, divide, multiply
from edgeq.micro.graph import Tensor
from edgeq.micro.numbers import INT8, activation_range, round_half_away, scale_of

Table = NDArray[np.int8]


def _table(function: Callable[[int], int], low: int = INT8[0], high: int = INT8[1]) -> Table:
    return np.array([max(low, min(high, function(x))) for x in range(-128, 128)], np.int8)


def rescaled(source: Tensor, out: Tensor, activation: str = "NONE") -> Table:
    """The same value in another scale: QUANTIZE, RELU, RELU6."""
    scale = scale_of(source.scale / out.scale)
    low, high = activation_range(activation, out.scale, out.zero_point)
    return _table(lambda x: multiply(x - source.zero_point, scale.mult, scale.shift) + out.zero_point, low, high)


def logistic(source: Tensor) -> Table:
    """LOGISTIC; the output has the scale 1/256 and the zero point -128."""
    return _sigmoidal(source, -128, lambda q: divide(gemmlowp.logistic(q), 23) - 128)


def tanh(source: Tensor) -> Table:
    """TANH; the output has the scale 1/128 and the zero point 0."""
    return _sigmoidal(source, -128, lambda q: divide(gemmlowp.tanh(q), 24))


def _sigmoidal(source: Tensor, lowest: int, function: Callable[[int], int]) -> Table:
    fraction, shift = math.frexp(source.scale * (1 << 27))
    mult = round_half_away(fraction * (1 << 31))
    radius = math.floor(15.0 * (1 << 27) / 2.0**shift)

    def value(x: int) -> int:
        centred = x - source.zero_point
        if abs(centred) >= radius:
            return lowest if centred < 0 else 127
        return function(multiply(centred, mult, shift))

    return _table(value)


def hard_swish(source: Tensor, out: Tensor) -> Table:
    """HARD_SWISH in 16-bit arithmetic. `ValueError` where the output's scale is too small for it."""
    fine = source.scale / 128
    output, relu = scale_of(fine / out.scale), scale_of(fine / (3 / 32768))
    if output.shift > 0:
        raise ValueError("the output's scale is less than 1/128 of the input's")
    out_mult, relu_mult = _down16(output.mult), _down16(relu.mult)

    def value(x: int) -> int:
        high = (x - source.zero_point) * 128
        before = _high_mul16(high, out_mult)
        gate = high
        if relu.shift > 0:
            gate = _saturated16(gate << (relu.shift - 1))
        gate = _high_mul16(gate, relu_mult)
        if relu.shift > 0:
            gate = _saturated16(gate << 1)
        elif relu.shift < 0:
            gate = divide(gate, -relu.shift)
        gate = (gate + 32768) >> 1
        product = gate * before
        whole = abs(product) >> 15
        return divide(whole if product >= 0 else -whole, -output.shift) + out.zero_point

    return _table(value)


def _down16(mult: int) -> int:
    return 32767 if mult >= MAX - (1 << 15) else (mult + (1 << 15)) >> 16


def _saturated16(x: int) -> int:
    return max(-32768, min(32767, x))


def _high_mul16(a: int, b: int) -> int:
    """(a * b * 2) / 2^16, rounded to nearest, as int16."""
    return 32767 if a == b == -32768 else (a * b + (1 << 14)) >> 15


def softmax_exponentials(beta: float, scale: float) -> NDArray[np.int32]:
    """exp(-d * beta * scale) in Q0.31 for d = 0 .. 255, 0 where TFLite leaves the element out.

    `ValueError` where beta * scale is too small for its arithmetic.
    """
    real = min(beta * scale * (1 << 26), float(MAX))
    quantized = scale_of(real)
    if real <= 1.0:
        raise ValueError("beta times the input's scale is too small")
    lowest = -math.floor(31.0 * (1 << 26) / 2.0**quantized.shift)
    return np.array(
        [_exponential(-d, quantized.mult, quantized.shift) if -d >= lowest else 0 for d in range(256)], np.int32
    )


def _exponential(difference: int, mult: int, shift: int) -> int:
    return gemmlowp.exp_of_negative(gemmlowp.high_mul(gemmlowp.wrapped(difference << shift), mult), 5)
