"""Operators that move values without changing them: views where the order in memory stays, strided copies otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgeq.micro.fields import RANK, View, contiguous
from edgeq.micro.graph import Node, Tensor
from edgeq.micro.lower.context import Lowering, require_dtypes, require_same_scale, unsupported
from edgeq.micro.records import Copy, Fill

MOVABLE = ("int8", "int16", "int32", "float32", "uint8", "bool")


def reshape(low: Lowering, node: Node) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the same memory."""
    source, out = low.tensor(node, 0), low.result(node)
    require_dtypes(node, (source, out), *MOVABLE)
    if source.size_bytes != out.size_bytes:
        raise unsupported(node, out, f"{source.shape} cannot become {out.shape}", "Convert the model again.")
    low.alias(out, low.view(source))


def transpose(low: Lowering, node: Node) -> None:
    """TRANSPOSE by a constant permutation."""
    source, out = low.tensor(node, 0), low.result(node)
    order = constant_input(low, node, 1)
    rank = len(source.shape)
    if sorted(order) != list(range(rank)):
        raise unsupported(node, source, f"{order} is no permutation of {rank} axes", "Convert the model again.")
    permute(low, node, source, out, source.shape, order)


def permute(low: Lowering, node: Node, source: Tensor, out: Tensor, shape: Sequence[int], order: Sequence[int]) -> None:
    """`source`, read as `shape`, with its axes in another order."""
    steps = contiguous(shape)
    move(low, node, source, out, 0, [shape[i] for i in order], [steps[i] for i in order])


def strided_slice(low: Lowering, node: Node) -> None:
    """STRIDED_SLICE with constant begin, end and strides."""
    source, out = low.tensor(node, 0), low.result(node)
    begin, end, strides = (constant_input(low, node, position) for position in (1, 2, 3))
    if node.option("ellipsis_mask") or node.option("new_axis_mask") or node.option("offset"):
        raise unsupported(node, source, "it has an ellipsis, a new axis or an offset", "Reshape and slice apart.")
    if not len(begin) == len(end) == len(strides) <= len(source.shape) or 0 in strides:
        raise unsupported(node, source, "its begin, end and strides do not fit", "Convert the model again.")
    first, dims, steps = 0, [], []
    for axis, (size, step) in enumerate(zip(source.shape, contiguous(source.shape), strict=True)):
        places = range(size)
        if axis < len(begin):
            places = _places(node, axis, size, begin[axis], end[axis], strides[axis])
        if not places:
            raise unsupported(node, out, "it has no elements", "Slice something.")
        first += places.start * step
        dims.append(len(places))
        steps.append(places.step * step)
    move(low, node, source, out, first, dims, steps)


def _places(node: Node, axis: int, size: int, begin: int, end: int, stride: int) -> range:
    """The positions that one axis keeps, as TFLite's `StridedSlice` reads begin, end and the masks."""
    bit = 1 << axis
    lowest, highest = (0, size) if stride > 0 else (-1, size - 1)
    start = begin + size if begin < 0 else begin
    if node.option("shrink_axis_mask") & bit:
        start = min(max(start, 0), size - 1)
        return range(start, start + 1)
    stop = end + size if end < 0 else end
    start = min(max(start, lowest), highest)
    stop = min(max(stop, lowest), highest)
    if node.option("begin_mask") & bit:
        start = lowest if stride > 0 else highest
    if node.option("end_mask") & bit:
        stop = highest if stride > 0 else lowest
    return range(start, stop, stride)


def concatenation(low: Lowering, node: Node) -> None:
    """CONCATENATION of tensors with one scale."""
    out = low.result(node)
    if node.activation != "NONE":
        raise unsupported(node, out, f"it has the fused activation {node.activation}", "Apply it behind.")
    axis = node.option("axis") % max(len(out.shape), 1)
    sources = [low.tensor(node, position) for position in range(len(node.inputs))]
    _join(low, node, [(source, source.shape) for source in sources], axis)


def pack(low: Lowering, node: Node) -> None:
    """PACK: tensors of one shape along a new axis."""
    out = low.result(node)
    axis = node.option("axis") % max(len(out.shape), 1)
    shape = (*out.shape[:axis], 1, *out.shape[axis + 1 :])
    _join(low, node, [(low.tensor(node, position), shape) for position in range(len(node.inputs))], axis)


def _join(low: Lowering, node: Node, parts: Sequence[tuple[Tensor, tuple[int, ...]]], axis: int) -> None:
    """Tensors, each read as a shape, behind each other along an axis of the result."""
    out = low.result(node)
    for source, _ in parts:
        require_same_scale(node, source, out)
    place, steps, at = low.allocate(out), contiguous(out.shape), 0
    for source, shape in parts:
        copy(low, node, source, out, low.view(source), place, 0, at, shape, contiguous(shape), steps)
        at += shape[axis] * steps[axis]


def split(low: Lowering, node: Node) -> None:
    """SPLIT into equal parts."""
    (axis,) = constant_input(low, node, 0)
    _cut(low, node, low.tensor(node, 1), axis)


def split_v(low: Lowering, node: Node) -> None:
    """SPLIT_V into parts of given sizes."""
    (axis,) = constant_input(low, node, 2)
    _cut(low, node, low.tensor(node, 0), axis)


def unpack(low: Lowering, node: Node) -> None:
    """UNPACK: one part for each position of an axis, without that axis."""
    _cut(low, node, low.tensor(node, 0), node.option("axis"), alone=True)


def _cut(low: Lowering, node: Node, source: Tensor, axis: int, alone: bool = False) -> None:
    """Parts along an axis, of one position each where they are `alone`; views where each lies in one piece."""
    axis %= max(len(source.shape), 1)
    steps, at = contiguous(source.shape), 0
    for position in range(len(node.outputs)):
        part = low.result(node, position)
        dims = (*source.shape[:axis], 1 if alone else part.shape[axis], *source.shape[axis + 1 :])
        move(low, node, source, part, at, dims, steps)
        at += dims[axis] * steps[axis]


def pad(low: Lowering, node: Node) -> None:
    """PAD and PADV2: the border, then the inside."""
    source, out = low.tensor(node, 0), low.result(node)
    require_dtypes(node, (source, out), *MOVABLE)
    amounts = np.array(constant_input(low, node, 1)).reshape(-1, 2)
    if len(amounts) != len(source.shape) or (amounts < 0).any():
        raise unsupported(node, source, "its paddings do not fit", "Convert the model again.")
    require_same_scale(node, source, out)
    border(low, node, source, out, amounts.tolist(), pad_value(low, node))


def border(
    low: Lowering, node: Node, source: Tensor, out: Tensor, amounts: Sequence[Sequence[int]], value: int
) -> None:
    """`out` is filled with a value, and `source` copied into it behind what `amounts` puts before it."""
    place, steps = low.allocate(out), contiguous(out.shape)
    low.emit(Fill(place, out.elements, item_bytes(out), value))
    at = sum(before * step for (before, _), step in zip(amounts, steps, strict=True))
    copy(low, node, source, out, low.view(source), place, 0, at, source.shape, contiguous(source.shape), steps)


def pad_value(low: Lowering, node: Node) -> int:
    """The value of the border: PADV2's constant, or what stands for 0. As its bits where it is a float."""
    out, given = low.result(node), low.optional(node, 2)
    if given is None:
        return out.zero_point if out.scales else 0
    if given.data is None or given.elements != 1:
        raise unsupported(node, given, "its value is not a constant", "Pad with a constant.")
    return int(np.asarray(given.data).reshape(1).view({1: np.int8, 2: np.int16, 4: np.int32}[item_bytes(given)])[0])


def var_handle(low: Lowering, node: Node) -> None:
    """VAR_HANDLE: the name of a variable."""
    low.handles[node.outputs[0]] = node.name


def read_variable(low: Lowering, node: Node) -> None:
    """READ_VARIABLE: a copy, for the variable may be assigned before the value is used."""
    out = low.result(node)
    place = low.allocate(out)
    _flat_copy(low, low.variable(low.handles[node.inputs[0]], out), place, out)


def assign_variable(low: Lowering, node: Node) -> None:
    """ASSIGN_VARIABLE."""
    source = low.tensor(node, 1)
    _flat_copy(low, low.view(source), low.variable(low.handles[node.inputs[0]], source), source)


def _flat_copy(low: Lowering, source: View, place: View, tensor: Tensor) -> None:
    low.emit(Copy(place, source, item_bytes(tensor), (tensor.elements,), (1,), (1,)))


def move(
    low: Lowering, node: Node, source: Tensor, out: Tensor, first: int, dims: Sequence[int], steps: Sequence[int]
) -> None:
    """A walk over `source` that gives `out` densely: a view where the walk is dense too."""
    require_dtypes(node, (source, out), *MOVABLE)
    if math.prod(dims) != out.elements:
        raise unsupported(node, out, f"it should have {math.prod(dims)} elements", "Convert the model again.")
    if not _inside(source, first, dims, steps):
        raise unsupported(node, out, f"{source.shape} does not fit it", "Convert the model again.")
    dense = all(size == 1 or a == b for size, a, b in zip(dims, steps, contiguous(dims), strict=True))
    view = low.view(source)
    if dense:
        low.alias(out, view.at(first * item_bytes(source)))
        return
    copy(low, node, source, out, view, low.allocate(out), first, 0, dims, steps, contiguous(dims))


def copy(
    low: Lowering,
    node: Node,
    source: Tensor,
    out: Tensor,
    view: View,
    place: View,
    first: int,
    at: int,
    dims: Sequence[int],
    in_step: Sequence[int],
    out_step: Sequence[int],
) -> None:
    """A strided copy from element `first` of a view to element `at` of a place, with neighbouring axes joined."""
    require_dtypes(node, (source, out), *MOVABLE)
    if not _inside(source, first, dims, in_step) or not _inside(out, at, dims, out_step):
        raise unsupported(node, out, f"{source.shape} does not fit it", "Convert the model again.")
    axes = _joined([item for item in zip(dims, in_step, out_step, strict=True) if item[0] > 1] or [(1, 1, 1)])
    if len(axes) > RANK:
        raise unsupported(node, source, f"it moves along more than {RANK} axes", "Use fewer dimensions.")
    size = item_bytes(source)
    low.emit(Copy(place.at(at * size), view.at(first * size), size, *(tuple(item) for item in zip(*axes, strict=True))))


def _inside(tensor: Tensor, first: int, dims: Sequence[int], steps: Sequence[int]) -> bool:
    """Whether a walk from element `first` stays in a tensor."""
    reach = [(size - 1) * step for size, step in zip(dims, steps, strict=True)]
    lowest, highest = first + sum(min(item, 0) for item in reach), first + sum(max(item, 0) for item in reach)
    return lowest >= 0 and highest < max(tensor.elements, 1)


def _joined(axes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The same walk with fewer axes."""
    joined = [axes[0]]
    for size, a, b in axes[1:]:
        outer, outer_a, outer_b = joined[-1]
        if outer_a == a * size and outer_b == b * size:
            joined[-1] = (outer * size, a, b)
        else:
            joined.append((size, a, b))
    return joined


def constant_input(low: Lowering, node: Node, position: int) -> list[int]:
    """The values of an input that must be a constant."""
    tensor = low.tensor(node, position)
    if tensor.data is None:
        raise unsupported(node, tensor, "it is computed by the model", "Use constant shapes and axes.")
    return [int(value) for value in np.asarray(tensor.data).reshape(-1)]


def item_bytes(tensor: Tensor) -> int:
    """Bytes of one value."""
    return tensor.size_bytes // max(tensor.elements, 1)
