"""Strategies of the operators with weights and without state: convolutions and fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from draws import (
    ACTIVATIONS,
    Case,
    Draw,
    activate,
    activations,
    case,
    constant,
    dequantize,
    f32,
    generators,
    integers,
    output_scale,
    power,
    reach,
    stateless,
    values,
    zero_points,
)
from flat import Array, Op, Tensor, activation, options, padding
from hypothesis import strategies as st
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """A sliding window over (height, width); `name` of the padding is SAME or VALID."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    name: str

    def outputs(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the result."""
        reached = self.kernel if self.name == "VALID" else (1, 1)
        dilation = self.dilation if self.name == "VALID" else (1, 1)
        h, w = (-(-(n - (k - 1) * d) // s) for n, k, d, s in zip(size, reached, dilation, self.stride, strict=True))
        return h, w

    def patches(self, image: NDArray[np.float64], fill: float) -> NDArray[np.float64]:
        """[n, h, w, c] to [n, out_h, out_w, k_h, k_w, c]; what lies outside is `fill`."""
        out = self.outputs((image.shape[1], image.shape[2]))
        pads = [(0, 0), *(self._pad(axis, image.shape[axis + 1], out[axis]) for axis in (0, 1)), (0, 0)]
        image = np.pad(image, pads, constant_values=fill)
        rows, columns = (
            np.arange(out[axis])[:, None] * self.stride[axis] + np.arange(self.kernel[axis]) * self.dilation[axis]
            for axis in (0, 1)
        )
        patches: NDArray[np.float64] = image[:, rows[:, None, :, None], columns[None, :, None, :], :]
        return patches

    def _pad(self, axis: int, size: int, out: int) -> tuple[int, int]:
        total = (out - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis] + 1 - size
        before = max(total, 0) // 2 if self.name == "SAME" else 0
        return before, max(total - before, 0)


_pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def windows(draw: Draw, dilated: bool) -> tuple[Window, tuple[int, int]]:
    """A window and the size of a picture on which it gives at least one result."""
    kernel, stride = draw(_pairs), draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.just((1, 1)) | st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilated else (1, 1)
    name = draw(st.sampled_from(("SAME", "VALID")))
    least = [(k - 1) * d + 1 if name == "VALID" else 1 for k, d in zip(kernel, dilation, strict=True)]
    size = draw(st.tuples(*(st.integers(low, max(low, 9)) for low in least)))
    return Window(kernel, stride, dilation, name), (size[0], size[1])


@st.composite
def _channel_scales(draw: Draw, count: int) -> tuple[float, ...]:
    """One scale, or one per channel that differ by up to 2^8."""
    first = draw(power(-12, 0))
    if count == 1 or draw(st.booleans()):
        return (first,)
    exponents = draw(generators()).uniform(-8, 0, count)
    return tuple(f32(first * 2.0**exponent) for exponent in exponents)


def _bias(draw: Draw, source: Tensor, weights: Tensor, count: int, optional: bool) -> Tensor | None:
    if optional and draw(st.booleans()):
        return None
    assert weights.data is not None
    bound = reach(source) * weights.data.size // count * 127
    data = draw(integers((count,), "int32", max(bound >> draw(st.integers(0, 12)), 1)))
    scales = tuple(f32(source.scale * scale) for scale in weights.scales)
    return Tensor((count,), "int32", scales, data=data)


def _result(draw: Draw, source: Tensor, weights: Tensor, bias: Tensor | None, shape: Sequence[int]) -> Tensor:
    """The output of a sum of products whose channels are `weights.axis`."""
    assert weights.data is not None
    others = tuple(axis for axis in range(weights.data.ndim) if axis != weights.axis)
    bound = np.abs(weights.data.astype(np.int64)).sum(axis=others) * reach(source)
    if bias is not None and bias.data is not None:
        bound = bound + np.abs(bias.data.astype(np.int64))
    unit = source.scale * max(weights.scales)
    return Tensor(tuple(shape), "int8", (draw(output_scale(unit, max(int(bound.max()), 1))),), draw(zero_points))


def _real_bias(source: Tensor, weights: Tensor, bias: Tensor | None) -> Array | float:
    """Its value by the scales of the input and the weights, as every runtime takes it."""
    if bias is None or bias.data is None:
        return 0.0
    return bias.data.astype(np.float64) * source.scale * np.array(weights.scales, np.float32).astype(np.float64)


@st.composite
def conv_2d(draw: Draw) -> Case:
    """CONV_2D: any window, groups, batches; filter quantized per tensor or per channel."""
    window, size = draw(windows(dilated=True))
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    depth, channels = groups * draw(st.integers(1, 9)), groups * draw(st.integers(1, 5))
    source = draw(activations((draw(st.integers(1, 2)), *size, depth)))
    shape = (channels, *window.kernel, depth // groups)
    weights = constant(draw, Tensor(shape, "int8", draw(_channel_scales(channels))))
    bias = _bias(draw, source, weights, channels, optional=False)
    out = _result(draw, source, weights, bias, (source.shape[0], *window.outputs(size), channels))
    fused = draw(st.sampled_from(ACTIVATIONS))

    def real(image: NDArray[np.float64]) -> NDArray[np.float64]:
        patches = window.patches(image, 0.0)
        patches = patches.reshape(*patches.shape[:5], groups, -1)
        assert weights.data is not None
        kernels = dequantize(weights, weights.data).reshape(groups, -1, *shape[1:])
        sums = np.einsum("nyxhwgi,gohwi->nyxgo", patches, kernels).reshape(out.shape)
        return activate(fused, sums + _real_bias(source, weights, bias))

    op = Op("CONV_2D", (source, weights, bias), (out,), _window_options("Conv2D", window, fused))
    return case(op, (source,), values(draw, source), stateless(real))


def _window_options(name: str, window: Window, fused: str, **fields: int) -> object:
    return options(
        name,
        padding=padding(window.name),
        strideH=window.stride[0],
        strideW=window.stride[1],
        dilationHFactor=window.dilation[0],
        dilationWFactor=window.dilation[1],
        fusedActivationFunction=activation(fused),
        **fields,
    )


@st.composite
def depthwise_conv_2d(draw: Draw) -> Case:
    """DEPTHWISE_CONV_2D with any depth multiplier."""
    window, size = draw(windows(dilated=True))
    depth, multiplier = draw(st.integers(1, 9)), draw(st.sampled_from((1, 1, 2, 3)))
    channels = depth * multiplier
    source = draw(activations((draw(st.integers(1, 2)), *size, depth)))
    weights = constant(draw, Tensor((1, *window.kernel, channels), "int8", draw(_channel_scales(channels)), axis=3))
    bias = _bias(draw, source, weights, channels, optional=False)
    out = _result(draw, source, weights, bias, (source.shape[0], *window.outputs(size), channels))
    fused = draw(st.sampled_from(ACTIVATIONS))

    def real(image: NDArray[np.float64]) -> NDArray[np.float64]:
        patches = np.repeat(window.patches(image, 0.0), multiplier, axis=-1)
        assert weights.data is not None
        sums = np.einsum("nyxhwo,hwo->nyxo", patches, dequantize(weights, weights.data)[0])
        return activate(fused, sums + _real_bias(source, weights, bias))

    chosen = _window_options("DepthwiseConv2D", window, fused, depthMultiplier=multiplier)
    op = Op("DEPTHWISE_CONV_2D", (source, weights, bias), (out,), chosen)
    return case(op, (source,), values(draw, source), stateless(real))


@st.composite
def fully_connected(draw: Draw) -> Case:
    """FULLY_CONNECTED: rows of any rank, bias optional, filter quantized per tensor or per channel."""
    rows = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    depth, channels = draw(st.integers(1, 70)), draw(st.integers(1, 9))
    source = draw(activations((*rows, depth)))
    weights = constant(draw, Tensor((channels, depth), "int8", draw(_channel_scales(channels))))
    bias = _bias(draw, source, weights, channels, optional=True)
    kept = draw(st.booleans())
    shape = (*rows, channels) if kept else (int(np.prod(rows)), channels)
    out = _result(draw, source, weights, bias, shape)
    fused = draw(st.sampled_from(ACTIVATIONS))

    def real(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        assert weights.data is not None
        sums = matrix.reshape(-1, depth) @ dequantize(weights, weights.data).T
        return activate(fused, sums + _real_bias(source, weights, bias)).reshape(shape)

    chosen = options("FullyConnected", fusedActivationFunction=activation(fused), keepNumDims=kept)
    op = Op("FULLY_CONNECTED", (source, weights, bias), (out,), chosen)
    return case(op, (source,), values(draw, source), stateless(real))


@st.composite
def transpose_conv(draw: Draw) -> Case:
    """TRANSPOSE_CONV to any size that a convolution of its window would bring back to the input's."""
    kernel, stride = draw(_pairs), draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size, name = draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), draw(st.sampled_from(("SAME", "VALID")))
    depth, channels = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    least = [(n - 1) * s + (k if name == "VALID" else 1) for n, k, s in zip(size, kernel, stride, strict=True)]
    sides = [low + draw(st.integers(0, s - 1)) for low, s in zip(least, stride, strict=True)]
    source = draw(activations((draw(st.integers(1, 2)), *size, depth)))
    shape = (channels, *kernel, depth)
    weights = constant(draw, Tensor(shape, "int8", draw(_channel_scales(channels))))
    bias = _bias(draw, source, weights, channels, optional=True)
    out = _result(draw, source, weights, bias, (source.shape[0], *sides, channels))
    fused = draw(st.sampled_from(ACTIVATIONS))
    ends = [max((n - 1) * s + k - side, 0) for n, k, s, side in zip(size, kernel, stride, sides, strict=True)]
    cut = [end // 2 for end in ends]

    def real(image: NDArray[np.float64]) -> NDArray[np.float64]:
        assert weights.data is not None
        whole = np.zeros(
            (source.shape[0], *(side + k + s for side, k, s in zip(sides, kernel, stride, strict=True)), channels)
        )
        parts = np.einsum("nyxi,ohwi->nyxhwo", image, dequantize(weights, weights.data))
        for y, x in np.ndindex(*size):
            top, left = y * stride[0], x * stride[1]
            whole[:, top : top + kernel[0], left : left + kernel[1]] += parts[:, y, x]
        kept = whole[:, cut[0] : cut[0] + sides[0], cut[1] : cut[1] + sides[1]]
        return activate(fused, kept + _real_bias(source, weights, bias))

    given = Tensor((4,), "int32", data=np.array(out.shape, np.int32))
    chosen = options(
        "TransposeConv",
        padding=padding(name),
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=activation(fused),
    )
    op = Op("TRANSPOSE_CONV", (given, weights, source, *([bias] if bias else [])), (out,), chosen)
    return case(op, (source,), values(draw, source), stateless(real))
