"""Tables for operators of one int8: what TFLite Micro computes for each of the 256 inputs, -128 first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.micro import gemmlowp
from edgeq.micro.fields import Scale
from edgeq.micro.gemmlowp import MAX, divide, multiply
from edgeq.micro.graph import Tensor
from edgeq.micro.numbers import INT8, UINT8, activation_range, round_half_away, scale_of

Table = NDArray[np.int8]


def table(function: Callable[[int], int], low: int = INT8[0], high: int = INT8[1]) -> Table:
    """A function of int8, clamped."""
    return np.array([max(low, min(high, function(x))) for x in range(-128, 128)], np.int8)


def rescaled(source: Tensor, out: Tensor, activation: str = "NONE") -> Table:
    """The same value in another scale: QUANTIZE, RELU. Where a side is uint8, in the order of its bits."""
    return _rescaled(source, out, activation, source.scale / out.scale)


def clipped(source: Tensor, out: Tensor, activation: str) -> Table:
    """RELU6 and its kin, as LiteRT has them: their factor is computed in float32."""
    with np.errstate(all="ignore"):
        ratio = float(np.float32(source.scale) / np.float32(out.scale))
    return _rescaled(source, out, activation, ratio)


def _rescaled(source: Tensor, out: Tensor, activation: str, ratio: float) -> Table:
    scale = scale_of(ratio)
    limits = UINT8 if out.dtype == "uint8" else INT8
    low, high = activation_range(activation, out.scale, out.zero_point, limits)

    def value(bits: int) -> int:
        x = bits & 255 if source.dtype == "uint8" else bits
        return max(low, min(high, multiply(x - source.zero_point, scale.mult, scale.shift) + out.zero_point))

    return np.array([value(bits) & 255 for bits in range(-128, 128)], np.uint8).view(np.int8)


def leaky_relu(source: Tensor, out: Tensor, alpha: float) -> Table:
    """LEAKY_RELU."""
    return _bent(source, out, scale_of(source.scale / out.scale), scale_of(source.scale * alpha / out.scale))


def prelu(source: Tensor, out: Tensor, slope: int, scale: float) -> Table:
    """PRELU with one slope of this scale."""
    return _bent(source, out, scale_of(source.scale / out.scale), scale_of(source.scale * scale / out.scale), slope)


def _bent(source: Tensor, out: Tensor, above: Scale, below: Scale, slope: int = 1) -> Table:
    """One factor for what is positive and another for what is not."""

    def value(x: int) -> int:
        centred = x - source.zero_point
        scale, part = (above, centred) if centred >= 0 else (below, centred * slope)
        return multiply(part, scale.mult, scale.shift) + out.zero_point

    return table(value)


def absolute(source: Tensor, out: Tensor) -> Table:
    """ABS."""
    scale = scale_of(source.scale / out.scale)
    return table(lambda x: multiply(abs(x - source.zero_point), scale.mult, scale.shift) + out.zero_point)


def _real(function: Callable[[float], float]) -> Callable[[Tensor, Tensor], Table]:
    """The table of a function of real numbers, in TFLite's float32 arithmetic."""

    def computed(source: Tensor, out: Tensor) -> Table:
        scale, inverse = np.float32(source.scale), np.float32(1) / np.float32(out.scale)

        def value(x: int) -> int:
            result = np.float32(function(float(scale * np.float32(x - source.zero_point))))
            steps = float(result * inverse)
            return round_half_away(max(-1e6, min(1e6, steps))) + out.zero_point

        with np.errstate(over="ignore"):
            return table(value)

    return computed


def _exponential_of(x: float) -> float:
    return math.exp(min(x, 88.8))


elu = _real(lambda x: x if x >= 0 else float(np.float32(math.exp(x)) - np.float32(1)))
exp = _real(_exponential_of)


def _gelu(real: float) -> float:
    x = np.float32(real)
    return float(np.float32(0.5) * x * np.float32(math.erfc(float(x * np.float32(-math.sqrt(0.5))))))


def _gelu_by_tanh(real: float) -> float:
    x, one = np.float32(real), np.float32(1)
    inner = np.float32(math.sqrt(2 / math.pi)) * x * (one + np.float32(0.044715) * x * x)
    return float(np.float32(0.5) * x * (one + np.float32(math.tanh(float(inner)))))


gelu = _real(_gelu)
gelu_by_tanh = _real(_gelu_by_tanh)


def log(source: Tensor, out: Tensor) -> Table:
    """LOG; the lowest value there is for what has no logarithm."""
    lowest = (INT8[0] - out.zero_point) * out.scale
    return _real(lambda x: math.log(x) if x > 0 else lowest)(source, out)


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

    return table(value)


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

    return table(value)


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


def _float(function: Callable[[float], float]) -> Callable[[np.float32], np.float32]:
    """A function in float32; NaN where it has no value."""

    def value(x: np.float32) -> np.float32:
        try:
            return np.float32(function(float(x)))
        except ValueError:
            return np.float32(math.nan)
        except OverflowError:
            return np.float32(math.inf)

    return value


FLOATS: Mapping[str, Callable[[np.float32], np.float32]] = {
    "ABS": _float(abs),
    "COS": _float(math.cos),
    "ELU": _float(lambda x: math.expm1(x) if x < 0 else x),
    "EXP": _float(math.exp),
    "LOG": _float(lambda x: math.log(x) if x else -math.inf),
    "NEG": _float(lambda x: -x),
    "SIN": _float(math.sin),
    "SQRT": _float(math.sqrt),
    "SQUARE": _float(lambda x: x * x),
}
"""What TFLite leaves in float32 between a DEQUANTIZE and a QUANTIZE."""


def through_floats(source: Tensor, out: Tensor, functions: Sequence[str]) -> Table:
    """DEQUANTIZE, functions of FLOATS, QUANTIZE; NaN is the lowest value."""
    scale, out_scale = np.float32(source.scale), np.float32(out.scale)

    def value(x: int) -> int:
        real = scale * np.float32(x - source.zero_point)
        for name in functions:
            real = FLOATS[name](real)
        steps = float(real / out_scale)
        return INT8[0] if math.isnan(steps) else round_half_away(max(-1e6, min(1e6, steps))) + out.zero_point

    with np.errstate(all="ignore"):
        return table(value)
