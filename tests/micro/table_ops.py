"""Strategies of operators on one value that tables compute, and of PRELU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from draws import (
    Case,
    Draw,
    activations,
    case,
    constant,
    dequantize,
    f32,
    power,
    ratios,
    shapes,
    stateless,
    values,
    zero_points,
)
from flat import Op, Tensor, options
from hypothesis import strategies as st
from pointwise_ops import any_output, every_value, pointwise

_erf = np.vectorize(math.erf, otypes=[float])

absolute = pointwise("ABS", np.abs, (-12, 3), any_output(-10, 15))
relu_n1_to_1 = pointwise("RELU_N1_TO_1", lambda x: np.clip(x, -1, 1), (-12, 3), any_output(-10, 15))
relu_0_to_1 = pointwise("RELU_0_TO_1", lambda x: np.clip(x, 0, 1), (-12, 3), any_output(-10, 15))
elu = pointwise("ELU", lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x), (-10, 2), any_output(-6, 6))


@st.composite
def _of_real(draw: Draw, name: str) -> Case:
    """EXP, LOG or GELU of all 256 values, to a scale that fits the results."""
    source = draw(activations((2, 8, 16), -10, -4 if name == "EXP" else 2))
    approximate = name == "GELU" and draw(st.booleans())

    def function(x: Any) -> Any:
        if name == "EXP":
            return np.exp(x)
        if name == "LOG":
            lowest = (-128 - out.zero_point) * out.scale
            return np.where(x > 0, np.log(np.where(x > 0, x, 1)), lowest)
        inner = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)) if approximate else _erf(x / np.sqrt(2))
        return 0.5 * x * (1 + inner)

    scale = {"EXP": draw(power(-7, 1)), "LOG": draw(power(-6, -3)), "GELU": source.scale * draw(ratios(-2, 2))}[name]
    out = Tensor(source.shape, "int8", (f32(scale),), draw(zero_points))
    chosen = options("Gelu", approximate=approximate) if name == "GELU" else None
    return case(Op(name, (source,), (out,), chosen), (source,), draw(every_value(source)), stateless(function))


exp, log, gelu = _of_real("EXP"), _of_real("LOG"), _of_real("GELU")


@st.composite
def leaky_relu(draw: Draw) -> Case:
    """LEAKY_RELU with a slope of either sign."""
    source = draw(activations((1, 4, 8, 8)))
    scale, zero_point = any_output(-8, 10)(draw, source)
    out, alpha = Tensor(source.shape, "int8", (scale,), zero_point), f32(draw(st.floats(0.001, 2)))
    op = Op("LEAKY_RELU", (source,), (out,), options("LeakyRelu", alpha=alpha))
    real = stateless(lambda x: np.where(x < 0, x * alpha, x))
    return case(op, (source,), draw(every_value(source)), real, f"alpha={alpha}")


@st.composite
def prelu(draw: Draw) -> Case:
    """PRELU with a slope for each value, for each channel, or one."""
    source = draw(activations(draw(shapes)[-4:]))
    shape = draw(st.sampled_from((source.shape, (*(1,) * (len(source.shape) - 1), source.shape[-1]), (1,))))
    slopes = constant(draw, draw(activations(shape, -10, -5)))
    out = Tensor(source.shape, "int8", (f32(source.scale * draw(ratios(-4, 6))),), draw(zero_points))
    assert slopes.data is not None
    alphas = dequantize(slopes, slopes.data)
    op = Op("PRELU", (source, slopes), (out,))
    return case(op, (source,), values(draw, source), stateless(lambda x: np.where(x < 0, x * alphas, x)))
