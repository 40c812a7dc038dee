"""What the strategies of single-operator models share: a case, and draws of shapes, scales, zero points and values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from flat import Array, Op, Tensor, write_model
from hypothesis import strategies as st
from numpy.typing import NDArray

Reals = Sequence[NDArray[np.float64]]
Real = Callable[[Sequence[Reals]], list[list[NDArray[np.float64]]]]
Draw = st.DrawFn

ACTIVATIONS = ("NONE", "NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "int32": (-(2**31), 2**31 - 1)}


@dataclass(frozen=True, repr=False)
class Case:
    """One model and the arrays for each of its steps, which follow each other from a reset state.

    `real` is the same mathematics in float64, without rounding: real inputs of every step to real outputs.
    """

    op: str
    model: bytes
    inputs: tuple[tuple[Array, ...], ...]
    about: str
    real: Real

    def __repr__(self) -> str:
        """One line: hypothesis prints it for a failing case."""
        return f"Case({self.op}: {self.about}, {len(self.inputs)} steps)"


def case(op: Op, inputs: Sequence[Tensor], steps: Sequence[Sequence[Array]], real: Real, about: str = "") -> Case:
    """A case of one operator whose outputs are the model's."""
    model = write_model([op], inputs, op.outputs)
    return Case(op.name, model, tuple(tuple(step) for step in steps), describe(op, about), real)


def describe(op: Op, about: str = "") -> str:
    """A line that a failing test prints: tensors and options."""
    fields = {} if op.options is None else vars(op.options)
    chosen = [f"{name}={value}" for name, value in fields.items() if isinstance(value, int | float) and value]
    return " ".join([*map(_tensor, (*op.inputs, *op.outputs)), *chosen, about])


def _tensor(tensor: Tensor | None) -> str:
    if tensor is None:
        return "-"
    kind = "const" if tensor.data is not None else "var" if tensor.variable else ""
    scales = f"*{tensor.scales[0]:.6g}{'..' if len(tensor.scales) > 1 else ''}" if tensor.scales else ""
    zero_point = f"@{tensor.zero_point}" if tensor.scales else ""
    return f"{kind}{tensor.dtype}{list(tensor.shape)}{scales}{zero_point}".replace(" ", "")


def stateless(function: Callable[..., Array | tuple[Array, ...]]) -> Real:
    """The float64 model of an operator without state, from one on the inputs of one step."""

    def real(steps: Sequence[Reals]) -> list[list[NDArray[np.float64]]]:
        results = [function(*step) for step in steps]
        return [list(result) if isinstance(result, tuple) else [result] for result in results]

    return real


def dequantize(tensor: Tensor, values: Array) -> NDArray[np.float64]:
    """Real values of integers (float64); a tensor without scales keeps its values."""
    if not tensor.scales:
        return values.astype(np.float64)
    scales = np.array(tensor.scales, np.float32).astype(np.float64)
    if len(scales) > 1:
        scales = scales.reshape([-1 if axis == tensor.axis else 1 for axis in range(values.ndim)])
    real: NDArray[np.float64] = (values.astype(np.float64) - tensor.zero_point) * scales
    return real


def activate(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A fused activation on real values."""
    low, high = {"NONE": (-np.inf, np.inf), "RELU": (0, np.inf), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}[name]
    return np.clip(values, low, high)


def f32(value: float) -> float:
    """The nearest float32."""
    return float(np.float32(value))


@st.composite
def power(draw: Draw, low: float, high: float) -> float:
    """A float32 scale of 2^low .. 2^high; sometimes exactly a power of two."""
    if draw(st.booleans()):
        return f32(2.0 ** draw(st.integers(math.ceil(low), math.floor(high))))
    return f32(2.0 ** draw(st.floats(low, high)))


def ratios(low: float, high: float) -> st.SearchStrategy[float]:
    """A factor between two scales: near one most of the time, else anything of 2^low .. 2^high."""
    return power(-1, 1) | power(-1, 1) | power(low, high)


zero_points = st.sampled_from((-128, 127, 0, -1)) | st.integers(-128, 127)


@st.composite
def generators(draw: Draw) -> np.random.Generator:
    """A source of numbers; only its seed is drawn, so that shrinking works on shapes."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


@st.composite
def integers(draw: Draw, shape: Sequence[int], dtype: str = "int8", limit: int | None = None) -> Array:
    """An integer array: evenly spread, near the middle, all at the rims, or one value. `limit` bounds the size."""
    rng = draw(generators())
    low, high = LIMITS[dtype] if limit is None else (-limit, limit)
    style = draw(st.sampled_from(("spread", "spread", "narrow", "rims", "flat")))
    if style == "rims":
        return rng.choice(np.array([low, high], dtype), shape)
    if style == "flat":
        return np.full(shape, rng.integers(low, high, endpoint=True), dtype)
    if style == "narrow":
        low, high = low // 8, high // 8
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


@st.composite
def activations(draw: Draw, shape: Sequence[int], low: float = -12, high: float = 3) -> Tensor:
    """An int8 activation with any scale and zero point."""
    return Tensor(tuple(shape), "int8", (draw(power(low, high)),), draw(zero_points))


def values(draw: Draw, *tensors: Tensor) -> list[list[Array]]:
    """One step's arrays for these inputs."""
    return [[draw(integers(tensor.shape, tensor.dtype)) for tensor in tensors]]


def constant(draw: Draw, tensor: Tensor, limit: int | None = None) -> Tensor:
    """The same tensor with values drawn into it."""
    data = draw(integers(tensor.shape, tensor.dtype, limit))
    return Tensor(tensor.shape, tensor.dtype, tensor.scales, tensor.zero_point, tensor.axis, data)


def indexes(*numbers: int, shape: tuple[int, ...] | None = None) -> Tensor:
    """A constant int32 tensor: axes, shapes, paddings."""
    data = np.array(numbers, np.int32)
    return Tensor((len(numbers),) if shape is None else shape, "int32", data=data)


def _sizes(rank: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(1, 8 if rank < 4 else 4)] * rank)


shapes = st.integers(1, 5).flatmap(_sizes)


def reach(tensor: Tensor) -> int:
    """The largest distance of an int8 value from the zero point."""
    return max(127 - tensor.zero_point, tensor.zero_point + 128)


@st.composite
def output_scale(draw: Draw, unit: float, bound: int) -> float:
    """A scale for results of size up to `bound` x `unit`: one that fits, or any multiplier of 2^-20 .. 2^10 whose
    product stays in 32 bits. Not below 2^-27: the bounds of an activation must fit 32 bits as well."""
    most = min(10, 30 - math.ceil(math.log2(bound + 1)))
    fitting = st.floats(0, 6).map(lambda extra: 127 / bound * 2**extra)
    extreme = st.floats(min(-20, most), most).map(lambda exponent: 2**exponent)
    multiplier = min(draw(fitting | fitting | extreme), 2.0**most)
    return f32(max(unit / multiplier, 2**-27))
