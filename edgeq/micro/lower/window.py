"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED and the pools: windows, packed weights, one record per output channel."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.micro.fields import Buffer, View, Window
from edgeq.micro.graph import PADDINGS, Node, Tensor
from edgeq.micro.lower.context import (
    MAX_SHIFT,
    Lowering,
    require_activation,
    require_dtypes,
    require_scale,
    unsupported,
)
from edgeq.micro.numbers import activation_range, scale_of
from edgeq.micro.pack import (
    MAX_DOT,
    channel_records,
    conv_patch_bytes,
    depthwise_patch_bytes,
    pack_depthwise,
    pack_pairs,
)
from edgeq.micro.records import AvgPool, Conv, Dense, Depthwise, MaxPool

MAX_SIZE = 65535
"""Of a side, of channels, of a stride: 16 bits."""
Tensors = tuple[Tensor, Tensor, "Tensor | None", Tensor]
"""Input, filters, bias and result."""
CLAMPS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def conv_2d(low: Lowering, node: Node) -> None:
    """CONV_2D, grouped too."""
    source, filters, out = low.tensor(node, 0), low.tensor(node, 1), low.result(node)
    rows = require_weights(node, source, filters, out).reshape(filters.shape[0], -1)
    out_c, k_h, k_w, in_c = filters.shape
    if source.shape[3] % in_c or out_c % (source.shape[3] // in_c):
        raise unsupported(node, filters, "its groups do not divide the channels", "Convert the model again.")
    _conv(low, node, _window(node, source, out, (k_h, k_w), source.shape[3] // in_c), rows)


def depthwise_conv_2d(low: Lowering, node: Node) -> None:
    """DEPTHWISE_CONV_2D with any depth multiplier; of one input channel it is a convolution."""
    source, filters, out = low.tensor(node, 0), low.tensor(node, 1), low.result(node)
    values = require_weights(node, source, filters, out)
    _, k_h, k_w, out_c = filters.shape
    if out_c % source.shape[3]:
        raise unsupported(node, filters, "its depth multiplier is not whole", "Convert the model again.")
    win, rows = _window(node, source, out, (k_h, k_w), source.shape[3]), values.reshape(k_h * k_w, out_c).T
    if win.in_c == 1:
        _conv(low, node, win, rows)
        return
    low.emit(
        Depthwise(
            low.allocate(out),
            low.view(source),
            win,
            low.constant(pack_depthwise(rows), filters.name),
            _channels(low, node, (source, filters, low.optional(node, 2), out), rows),
            View(Buffer(f"{out.name} patch", depthwise_patch_bytes(win))),
            source.zero_point,
            out.zero_point,
            activation_range(node.activation, out.scale, out.zero_point),
        )
    )


def fully_connected(low: Lowering, node: Node) -> None:
    """FULLY_CONNECTED with constant weights, per tensor or per channel; of several rows it is a convolution."""
    source, filters, out = low.tensor(node, 0), low.tensor(node, 1), low.result(node)
    if node.option("weights_format") != 0:
        raise unsupported(node, filters, "its weights are shuffled", "Convert without that option.")
    values = require_weights(node, source, filters, out)
    out_c, in_c = filters.shape
    if in_c == 0 or source.elements % in_c or out.elements != source.elements // in_c * out_c:
        raise unsupported(node, filters, f"the shapes {source.shape} and {filters.shape} do not fit", "Convert again.")
    rows = source.elements // in_c
    if 1 < rows <= MAX_SIZE and max(in_c, out_c) <= MAX_SIZE:
        _conv(low, node, Window(1, 1, rows, in_c, 1, rows, out_c, 1, 1, 1, 1), values)
        return
    low.emit(
        Dense(
            low.allocate(out),
            low.view(source),
            rows,
            in_c,
            out_c,
            low.constant(pack_pairs(values), filters.name),
            _channels(low, node, (source, filters, low.optional(node, 2), out), values),
            out.zero_point,
            activation_range(node.activation, out.scale, out.zero_point),
        )
    )


def _conv(low: Lowering, node: Node, win: Window, rows: NDArray[np.int64]) -> None:
    """The record of a convolution with weights [out_c, k]."""
    source, filters, out = low.tensor(node, 0), low.tensor(node, 1), low.result(node)
    convolution(low, node, win, rows, (source, filters, low.optional(node, 2), out), low.view(source))


def convolution(low: Lowering, node: Node, win: Window, rows: NDArray[np.int64], tensors: Tensors, view: View) -> None:
    """The record of a convolution over `view` with weights [out_c, k]."""
    source, filters, _, out = tensors
    low.emit(
        Conv(
            low.allocate(out),
            view,
            _flat(win),
            low.constant(pack_pairs(rows, win.groups), filters.name),
            _channels(low, node, tensors, rows),
            View(Buffer(f"{out.name} patch", conv_patch_bytes(win))),
            source.zero_point,
            out.zero_point,
            activation_range(node.activation, out.scale, out.zero_point),
        )
    )


def _flat(win: Window) -> Window:
    """The same window over one row of pixels, where pixels do not see each other: kernels take neighbours together."""
    pixels = win.batches * win.in_h * win.in_w
    alone = (win.k_h, win.k_w, win.stride_h, win.stride_w, win.pad_top, win.pad_left) == (1, 1, 1, 1, 0, 0)
    if not alone or (win.out_h, win.out_w) != (win.in_h, win.in_w) or pixels > MAX_SIZE:
        return win
    return replace(win, batches=1, in_h=1, in_w=pixels, out_h=1, out_w=pixels)


def average_pool_2d(low: Lowering, node: Node) -> None:
    """AVERAGE_POOL_2D."""
    _pool(low, node, AvgPool)


def max_pool_2d(low: Lowering, node: Node) -> None:
    """MAX_POOL_2D."""
    _pool(low, node, MaxPool)


def _pool(low: Lowering, node: Node, kind: type[AvgPool]) -> None:
    source, out = low.tensor(node, 0), low.result(node)
    require_dtypes(node, (source, out), "int8")
    require_activation(node, out, *CLAMPS)
    win = _window(node, source, out, (node.option("k_h"), node.option("k_w")), 1)
    if win.k_h * win.k_w > MAX_DOT:
        raise unsupported(node, out, f"its window has more than {MAX_DOT} pixels", "Pool twice.")
    act = activation_range(node.activation, out.scale, out.zero_point)
    low.emit(kind(low.allocate(out), low.view(source), win, act))


def require_weights(node: Node, source: Tensor, filters: Tensor, out: Tensor) -> NDArray[np.int64]:
    """Constant int8 weights with zero points of 0; `ConvertError` for others, and for other types around them."""
    require_dtypes(node, (source, filters, out), "int8")
    require_scale(node, (source, out))
    require_activation(node, out, *CLAMPS)
    if filters.data is None:
        raise unsupported(node, filters, "its weights are computed by the model", "Let them be constants.")
    if any(filters.zero_points):
        raise unsupported(node, filters, "its weights have a zero point", "Quantize weights symmetrically.")
    return filters.data.astype(np.int64)


def _channels(low: Lowering, node: Node, tensors: Tensors, rows: NDArray[np.int64]) -> View:
    """The records of all output channels; `rows` are their weights, [out_c, k]."""
    source, filters, bias, out = tensors
    if rows.shape[1] > MAX_DOT:
        raise unsupported(node, filters, f"it has more than {MAX_DOT} weights per output", "Use smaller layers.")
    if bias is not None and (bias.data is None or bias.dtype != "int32" or bias.elements != len(rows)):
        raise unsupported(node, bias, "its bias is not a constant int32 per output channel", "Convert again.")
    plain = np.zeros(len(rows), np.int64) if bias is None else np.asarray(bias.data, np.int64).reshape(-1)
    folded = plain - source.zero_point * rows.sum(axis=1)
    if np.abs(folded).max(initial=0) + 128 * np.abs(rows).sum(axis=1).max(initial=0) >= 1 << 31:
        raise unsupported(node, filters, "its sums do not fit into 32 bits", "Use smaller layers or biases.")
    scales = filters.scales if len(filters.scales) == len(rows) else filters.scales[:1] * len(rows)
    multipliers = [scale_of(source.scale * scale / out.scale) for scale in scales]
    if max(scale.shift for scale in multipliers) > MAX_SHIFT:
        raise unsupported(node, out, "its scale is too small beside those of the inputs", "Calibrate on real data.")
    return low.constant(channel_records(folded, multipliers), f"{filters.name} channels")


def _window(node: Node, source: Tensor, out: Tensor, kernel: tuple[int, int], groups: int) -> Window:
    """Padding becomes explicit; TFLite puts the odd one behind."""
    if len(source.shape) != 4 or len(out.shape) != 4:
        raise unsupported(node, source, "it has not four dimensions", "Use NHWC tensors.")
    dil = (int(node.options.get("dil_h", 1)), int(node.options.get("dil_w", 1)))
    stride = (node.option("stride_h"), node.option("stride_w"))
    if min(*stride, *dil, *kernel) < 1:
        raise unsupported(node, out, "it has a stride, dilation or size of 0", "Convert the model again.")
    extra = (int(node.options.get("pad_top", 0)), int(node.options.get("pad_left", 0)))
    grown = (int(node.options.get("grow_h", 0)), int(node.options.get("grow_w", 0)))
    pads, sizes = [], []
    for size, more, k, step, spread in zip(source.shape[1:3], grown, kernel, stride, dil, strict=True):
        reach = (k - 1) * spread + 1
        if PADDINGS[node.option("padding")] == "SAME":
            count = math.ceil((size + more) / step)
            pads.append(max((count - 1) * step + reach - size - more, 0) // 2)
        else:
            count = (size + more - reach) // step + 1
            pads.append(0)
        sizes.append(count)
    if tuple(sizes) != out.shape[1:3]:
        raise unsupported(node, out, f"its shape should be {tuple(sizes)}", "Convert the model again.")
    win = Window(
        source.shape[0],
        *source.shape[1:],
        *out.shape[1:],
        *kernel,
        *stride,
        *dil,
        pads[0] + extra[0],
        pads[1] + extra[1],
        groups,
    )
    if max(vars(win).values()) > MAX_SIZE:
        raise unsupported(node, out, f"a size exceeds {MAX_SIZE}", "Use smaller tensors.")
    return win
