"""TRANSPOSE_CONV: a convolution, with the filter turned round, over the input with zeros between its pixels."""

from __future__ import annotations

import math

from edgeq.micro.fields import View, Window, contiguous
from edgeq.micro.graph import PADDINGS, Node, Tensor
from edgeq.micro.lower.context import Lowering, unsupported
from edgeq.micro.lower.window import MAX_SIZE, convolution, require_weights
from edgeq.micro.records import Copy, Fill


def transpose_conv(low: Lowering, node: Node) -> None:
    """TRANSPOSE_CONV; its input 0 is the shape of the result."""
    filters, source, out = low.tensor(node, 1), low.tensor(node, 2), low.result(node)
    values = require_weights(node, source, filters, out)
    if not len(source.shape) == len(filters.shape) == len(out.shape) == 4:
        raise unsupported(node, source, "it has not four dimensions", "Use NHWC tensors.")
    if filters.shape[3] != source.shape[3] or (out.shape[0], out.shape[3]) != (source.shape[0], filters.shape[0]):
        raise unsupported(node, filters, "its channels do not fit", "Convert the model again.")
    strides, kernel = (node.option("stride_h"), node.option("stride_w")), filters.shape[1:3]
    if min(strides) < 1:
        raise unsupported(node, out, "it has a stride of 0", "Convert the model again.")
    same = PADDINGS[node.option("padding")] == "SAME"
    sides = [(size - 1) * step + 1 for size, step in zip(source.shape[1:3], strides, strict=True)]
    pads = [_before(*sizes, same) for sizes in zip(out.shape[1:3], kernel, strides, strict=True)]
    (batches, _, _, in_c), (_, out_h, out_w, out_c) = source.shape, out.shape
    (in_h, in_w), (k_h, k_w), (top, left) = sides, kernel, pads
    win = Window(batches, in_h, in_w, in_c, out_h, out_w, out_c, k_h, k_w, 1, 1, pad_top=top, pad_left=left)
    if min(vars(win).values()) < 0 or max(vars(win).values()) > MAX_SIZE:
        raise unsupported(node, out, f"a size exceeds {MAX_SIZE} or is less than 0", "Use smaller tensors.")
    view = low.view(source) if strides == (1, 1) else _spread(low, source, out, sides, strides)
    rows = values[:, ::-1, ::-1].reshape(filters.shape[0], -1)
    convolution(low, node, win, rows, (source, filters, low.optional(node, 3), out), view)


def _before(size: int, kernel: int, step: int, same: bool) -> int:
    """The border before the spread input: the filter's reach without what TFLite cuts off the result."""
    count = math.ceil(size / step) if same else (size - kernel + step) // step
    return kernel - 1 - max((count - 1) * step + kernel - size, 0) // 2


def _spread(low: Lowering, source: Tensor, out: Tensor, sides: list[int], strides: tuple[int, int]) -> View:
    """The input with zeros between its pixels."""
    shape = (source.shape[0], *sides, source.shape[3])
    place = low.memory(f"{out.name} spread", math.prod(shape))
    steps = contiguous(shape)
    walk = (steps[0], steps[1] * strides[0], steps[2] * strides[1], steps[3])
    low.emit(
        Fill(place, math.prod(shape), 1, source.zero_point),
        Copy(place, low.view(source), 1, source.shape, contiguous(source.shape), walk),
    )
    return place
