"""Strategies of pools, reductions, elementwise operators and conversions between types."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from draws import (
    ACTIVATIONS,
    Case,
    Draw,
    activate,
    activations,
    case,
    constant,
    f32,
    generators,
    indexes,
    integers,
    power,
    ratios,
    shapes,
    stateless,
    values,
    zero_points,
)
from flat import Op, Tensor, activation, options, padding
from hypothesis import strategies as st
from linear_ops import windows
from numpy.typing import NDArray

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _pool(op_name: str, reduce: Callable[..., NDArray[np.float64]]) -> st.SearchStrategy[Case]:
    @st.composite
    def pool(draw: Draw) -> Case:
        window, size = draw(windows(dilated=False))
        source = draw(activations((draw(st.integers(1, 2)), *size, draw(st.integers(1, 9)))))
        out = source.like((source.shape[0], *window.outputs(size), source.shape[3]))
        fused = draw(st.sampled_from(ACTIVATIONS))

        def real(image: NDArray[np.float64]) -> NDArray[np.float64]:
            return activate(fused, reduce(window.patches(image, np.nan), axis=(3, 4)))

        chosen = options(
            "Pool2D",
            padding=padding(window.name),
            strideH=window.stride[0],
            strideW=window.stride[1],
            filterHeight=window.kernel[0],
            filterWidth=window.kernel[1],
            fusedActivationFunction=activation(fused),
        )
        return case(Op(op_name, (source,), (out,), chosen), (source,), values(draw, source), stateless(real))

    return pool()


average_pool_2d = _pool("AVERAGE_POOL_2D", np.nanmean)
max_pool_2d = _pool("MAX_POOL_2D", np.nanmax)


@st.composite
def mean(draw: Draw) -> Case:
    """MEAN over any axes, written with either sign."""
    source = draw(activations(draw(shapes)))
    rank = len(source.shape)
    most = draw(st.sampled_from((1, 2, rank)))
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=min(most, rank), unique=True))
    signed = [axis - rank if draw(st.booleans()) else axis for axis in axes]
    kept = draw(st.booleans())
    shape = [1 if axis in axes else size for axis, size in enumerate(source.shape) if kept or axis not in axes]
    scale = draw(st.just(source.scale) | ratios(-8, 8).map(lambda ratio: f32(source.scale * ratio)))
    out = Tensor(tuple(shape), "int8", (scale,), draw(zero_points))
    op = Op("MEAN", (source, indexes(*signed)), (out,), options("Reducer", keepDims=kept))
    real = stateless(lambda x: x.mean(axis=tuple(axes), keepdims=kept))
    return case(op, (source,), values(draw, source), real, f"axes={signed}")


@st.composite
def broadcast_shapes(draw: Draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast: axes of size 1 on either side, leading axes missing."""
    shape = draw(shapes)
    if draw(st.booleans()):
        return shape, shape
    side = draw(st.lists(st.sampled_from("-ab"), min_size=len(shape), max_size=len(shape)))
    a = tuple(1 if mark == "a" else size for mark, size in zip(side, shape, strict=True))
    b = tuple(1 if mark == "b" else size for mark, size in zip(side, shape, strict=True))
    return (a, b[draw(st.integers(0, len(b) - 1)) :]) if draw(st.booleans()) else (a[len(a) - 1 :], b)


def _binary(op_name: str, function: Callable[..., NDArray[np.float64]]) -> st.SearchStrategy[Case]:
    @st.composite
    def binary(draw: Draw) -> Case:
        a_shape, b_shape = draw(broadcast_shapes())
        a, b = draw(activations(a_shape)), draw(activations(b_shape))
        if draw(st.booleans()):
            b = Tensor(b_shape, "int8", a.scales, b.zero_point)
        unit = a.scale * b.scale * 64 if op_name == "MUL" else max(a.scale, b.scale)
        scale = f32(unit * draw(ratios(-10, 10) if op_name == "MUL" else ratios(-18, 8)))
        out = Tensor(np.broadcast_shapes(a_shape, b_shape), "int8", (scale,), draw(zero_points))
        fixed = draw(st.sampled_from(("", "", "a", "b")))
        left, right = constant(draw, a) if fixed == "a" else a, constant(draw, b) if fixed == "b" else b
        fused = draw(st.sampled_from(ACTIVATIONS))
        chosen = options(op_name.title(), fusedActivationFunction=activation(fused))
        op = Op(op_name, (left, right), (out,), chosen)
        inputs = [tensor for tensor in (left, right) if tensor.data is None]

        def real(*given: NDArray[np.float64]) -> NDArray[np.float64]:
            rest = list(given)
            pair = [rest.pop(0) if t.data is None else _real(t) for t in (left, right)]
            return activate(fused, function(*pair))

        return case(op, inputs, values(draw, *inputs), stateless(real))

    return binary()


def _real(tensor: Tensor) -> NDArray[np.float64]:
    assert tensor.data is not None
    result: NDArray[np.float64] = (tensor.data.astype(np.float64) - tensor.zero_point) * tensor.scale
    return result


add = _binary("ADD", np.add)
sub = _binary("SUB", np.subtract)
mul = _binary("MUL", np.multiply)


@st.composite
def every_value(draw: Draw, source: Tensor) -> list[list[NDArray[np.int8]]]:
    """All 256 values in a drawn order: a pointwise operator is then covered whole."""
    order = draw(generators()).permutation(256)
    return [[(order - 128).astype(np.int8).reshape(source.shape)]]


def pointwise(
    op_name: str, function: Function, inputs: tuple[float, float], fixed: Callable[[Draw, Tensor], tuple[float, int]]
) -> st.SearchStrategy[Case]:
    """An operator on each value; `inputs` bounds log2 of the input's scale, `fixed` gives the output's
    quantization."""

    @st.composite
    def drawn(draw: Draw) -> Case:
        shape = draw(st.sampled_from(((256,), (1, 256), (2, 8, 16), (1, 4, 8, 8))))
        source = draw(activations(shape, *inputs))
        scale, zero_point = fixed(draw, source)
        out = Tensor(shape, "int8", (scale,), zero_point)
        chosen = options("HardSwish") if op_name == "HARD_SWISH" else None
        op = Op(op_name, (source,), (out,), chosen)
        return case(op, (source,), draw(every_value(source)), stateless(function))

    return drawn()


def any_output(low: float, high: float) -> Callable[[Draw, Tensor], tuple[float, int]]:
    """The input's quantization, or another whose scale is the input's times 2^low .. 2^high; sometimes a decimal, for
    its ratio to a power of two puts results on ties."""

    def fixed(draw: Draw, source: Tensor) -> tuple[float, int]:
        if draw(st.booleans()):
            return source.scale, source.zero_point
        decimal = f32(draw(st.integers(1, 99)) / 10 ** draw(st.integers(0, 4)))
        if source.scale * 2.0**low < decimal < source.scale * 2.0**high:
            return decimal, draw(zero_points)
        return f32(source.scale * draw(ratios(low, high))), draw(zero_points)

    return fixed


relu = pointwise("RELU", lambda x: np.maximum(x, 0), (-12, 3), any_output(-10, 20))
relu6 = pointwise("RELU6", lambda x: np.clip(x, 0, 6), (-12, 3), any_output(-10, 20))
logistic = pointwise("LOGISTIC", lambda x: 0.5 + np.tanh(x / 2) / 2, (-12, 1.9), lambda *_: (1 / 256, -128))
tanh = pointwise("TANH", np.tanh, (-12, 1.9), lambda *_: (1 / 128, 0))
hard_swish = pointwise("HARD_SWISH", lambda x: x * np.clip(x + 3, 0, 6) / 6, (-12, 3), any_output(-6.9, 7.9))


@st.composite
def softmax(draw: Draw) -> Case:
    """SOFTMAX over the last axis, int8 to int8 or to int16."""
    shape = (*draw(st.lists(st.integers(1, 5), max_size=3)), draw(st.integers(1, 40) | st.integers(200, 500)))
    source = draw(activations(shape, -12, 4))
    beta = draw(st.sampled_from((1.0, 1.0, 0.5, 3.0)))
    dtype, scale, zero_point = draw(st.sampled_from((("int8", 1 / 256, -128), ("int16", 1 / 65536, -32768))))
    out = Tensor(shape, dtype, (scale,), zero_point)

    def real(x: NDArray[np.float64]) -> NDArray[np.float64]:
        powers = np.exp((x - x.max(axis=-1, keepdims=True)) * beta)
        shares: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
        return shares

    op = Op("SOFTMAX", (source,), (out,), options("Softmax", beta=beta))
    return case(op, (source,), values(draw, source), stateless(real))


INTEGERS = (
    ("uint8", "int8"),
    ("int8", "uint8"),
    ("int8", "int8"),
    ("int8", "int16"),
    ("int8", "int32"),
    ("int16", "int8"),
    ("int16", "int16"),
    ("int16", "int32"),
    ("int32", "int8"),
    ("int32", "int16"),
)


@st.composite
def quantize(draw: Draw) -> Case:
    """QUANTIZE from float32, or from one integer type to another. int16 has the zero point 0."""
    shape = draw(shapes)
    from_type, to_type = draw(st.sampled_from((("float32", "int8"), ("float32", "int16"), *INTEGERS)))
    scale = draw(power(-10, 3))
    if from_type == "float32":
        source = Tensor(shape, "float32")
        out = Tensor(shape, to_type, (scale,), draw(zero_points) if to_type == "int8" else 0)
        return _convert(source, out, draw(_floats(out)))
    source = Tensor(shape, from_type, (scale,), draw(_zero_point(from_type)))
    most = 0 if from_type == "int32" else 10
    ratio = draw(st.just(1.0) | power(-20, most) | power(-1, 1 if most else 0))
    out = Tensor(shape, to_type, (f32(scale / ratio),), draw(_zero_point(to_type)))
    return _convert(source, out, draw(integers(shape, from_type, 2**30 - 1 if from_type == "int32" else None)))


def _zero_point(dtype: str) -> st.SearchStrategy[int]:
    return {"int8": zero_points, "uint8": zero_points.map(lambda point: point + 128)}.get(dtype, st.just(0))


def _convert(source: Tensor, out: Tensor, data: NDArray[np.generic]) -> Case:
    op = Op("QUANTIZE", (source,), (out,), options("Quantize"))
    return case(op, (source,), [[data]], stateless(lambda x: x))


@st.composite
def _floats(draw: Draw, out: Tensor) -> NDArray[np.float32]:
    """Values around the range of `out`: random ones, halfway between two integers, and far outside."""
    rng = draw(generators())
    width = {"int8": 200, "int16": 50_000}[out.dtype]
    kinds = rng.uniform(-width, width, out.shape), rng.integers(-width, width, out.shape) + 0.5
    steps = np.select([rng.random(out.shape) < 0.6, rng.random(out.shape) < 0.9], kinds, 1e6)
    result: NDArray[np.float32] = (steps * out.scale).astype(np.float32)
    return result


@st.composite
def dequantize_op(draw: Draw) -> Case:
    """DEQUANTIZE from int8, uint8 or int16 to float32."""
    shape, dtype = draw(shapes), draw(st.sampled_from(("int8", "uint8", "int16")))
    source = Tensor(shape, dtype, (draw(power(-12, 3)),), draw(_zero_point(dtype)))
    op = Op("DEQUANTIZE", (source,), (Tensor(shape, "float32"),))
    return case(op, (source,), values(draw, source), stateless(lambda x: x))
