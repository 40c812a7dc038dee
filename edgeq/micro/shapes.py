"""A model of any batch size as one for a batch of 1: shapes that it computes become constants.

A converter that was not told the batch leaves SHAPE and arithmetic on it in the graph, and writes 1 for what it does
not know, also where it is not 1: behind a RESHAPE, or a picture cut into a batch. Only tensors that the file calls
dynamic get another shape here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeq.micro.graph import MAX_ELEMENTS, NUMPY, PADDINGS, Graph, Node, Tensor

Shape = tuple[int, ...]
Values = NDArray[np.generic]


@dataclass(frozen=True)
class Call:
    """A node with its inputs as they are known by now, and one of its results as the file has it."""

    node: Node
    inputs: Sequence[Tensor]
    out: Tensor

    @property
    def source(self) -> Shape:
        """The shape of input 0."""
        return self.inputs[0].shape

    def numbers(self, position: int) -> Shape | None:
        """An input that must be constant; None where it is not, or left out."""
        data = self.inputs[position].data if position < len(self.inputs) else None
        return None if data is None else _numbers(data)

    def sums(self, position: int) -> Shape | None:
        """The same where it is pairs: the sum of each."""
        found = self.numbers(position)
        return None if found is None else tuple(map(sum, zip(found[::2], found[1::2], strict=True)))


def fixed_shapes(graph: Graph) -> Graph:
    """The graph with every shape known; the same one where none is dynamic."""
    if not any(tensor.dynamic for tensor in graph.tensors):
        return graph
    tensors, nodes = list(graph.tensors), []
    for node in graph.nodes:
        inputs = [tensors[index] for index in node.inputs if index >= 0]
        results = [tensors[at] for at in node.outputs]
        values = _computed(node, inputs, results)
        if values is not None:
            (out,) = results
            tensors[out.index] = replace(out, shape=values.shape, data=values.astype(NUMPY[out.dtype]))
            continue
        nodes.append(node)
        for out in results:
            if out.dynamic:
                tensors[out.index] = replace(out, shape=_shape(Call(node, inputs, out)))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def _computed(node: Node, inputs: Sequence[Tensor], results: Sequence[Tensor]) -> Values | None:
    """What a node on shapes gives; None where it is none, or not known."""
    if len(results) != 1 or results[0].dtype not in NUMPY:
        return None
    if node.op == "SHAPE":
        return np.array(inputs[0].shape, np.int32)
    given = [tensor.data for tensor in inputs if tensor.data is not None and tensor.data.dtype.kind == "i"]
    if len(given) != len(inputs):
        return None
    if node.op == "FILL":
        sides = _numbers(given[0])
        return np.full(sides, given[1]) if math.prod(sides) <= MAX_ELEMENTS else None
    if results[0].dtype not in ("int32", "int64"):
        return None
    if node.op in ALONG:
        return ALONG[node.op](given, node.option("axis"))
    if node.op == "STRIDED_SLICE":
        return _cut(node, given)
    return np.asarray(ARITHMETIC[node.op](given)) if node.op in ARITHMETIC else None


def _cut(node: Node, given: list[Values]) -> Values:
    """STRIDED_SLICE along one axis."""
    values, begin, end, strides = given
    first = None if node.option("begin_mask") & 1 else int(begin[0])
    last = None if node.option("end_mask") & 1 else int(end[0])
    alone = node.option("shrink_axis_mask") & 1
    return np.asarray(values[int(begin[0])] if alone else values[first : last : int(strides[0])])


ARITHMETIC: dict[str, Callable[[list[Values]], Values]] = {
    "ADD": lambda given: np.add(given[0], given[1]),
    "CAST": lambda given: given[0],
    "MUL": lambda given: np.multiply(given[0], given[1]),
    "REDUCE_PROD": lambda given: np.multiply.reduce(given[0], _numbers(given[1])),
    "SUB": lambda given: np.subtract(given[0], given[1]),
}
ALONG: dict[str, Callable[[list[Values], int], Values]] = {
    "CONCATENATION": lambda given, axis: np.concatenate(given, axis),
    "GATHER": lambda given, axis: np.take(given[0], given[1].astype(np.int64), axis),
    "PACK": lambda given, axis: np.stack(given, axis),
}
"""Of integer constants, like FILL, which also makes the zeros that a recurrent layer begins with."""


def _numbers(values: Values) -> Shape:
    return tuple(int(value) for value in np.asarray(values).reshape(-1))


def _shape(call: Call) -> Shape:
    """The shape of a node's result; what the file says where there is no rule, or too much is unknown."""
    rule = RULES.get(call.node.op)
    found = None if rule is None else rule(call)
    return call.out.shape if found is None or math.prod(found) > MAX_ELEMENTS else found


def _split(call: Call) -> Shape | None:
    given, shape = call.numbers(0), call.inputs[1].shape
    if given is None:
        return None
    axis = given[0] % len(shape)
    return (*shape[:axis], shape[axis] // call.node.option("parts"), *shape[axis + 1 :])


def _unpack(call: Call) -> Shape:
    axis = call.node.option("axis") % len(call.source)
    return (*call.source[:axis], *call.source[axis + 1 :])


def _reshape(call: Call) -> Shape | None:
    sides = call.numbers(1)
    if sides is None:
        return None
    rest = call.inputs[0].elements // math.prod(side for side in sides if side != -1)
    return tuple(rest if side == -1 else side for side in sides)


def _broadcast(call: Call) -> Shape:
    return np.broadcast_shapes(call.source, call.inputs[1].shape)


def _expand(call: Call) -> Shape | None:
    given = call.numbers(1)
    if given is None:
        return None
    at = given[0] % (len(call.source) + 1)
    return (*call.source[:at], 1, *call.source[at:])


def _transpose(call: Call) -> Shape | None:
    order = call.numbers(1)
    return None if order is None else tuple(call.source[axis] for axis in order)


def _concatenation(call: Call) -> Shape:
    axis = call.node.option("axis") % len(call.source)
    return (*call.source[:axis], sum(tensor.shape[axis] for tensor in call.inputs), *call.source[axis + 1 :])


def _pack(call: Call) -> Shape:
    axis = call.node.option("axis") % (len(call.source) + 1)
    return (*call.source[:axis], len(call.inputs), *call.source[axis:])


def _pad(call: Call) -> Shape | None:
    more = call.sums(1)
    return None if more is None else tuple(map(sum, zip(call.source, more, strict=True)))


def _tile(call: Call) -> Shape | None:
    times = call.numbers(1)
    return None if times is None else tuple(map(math.prod, zip(call.source, times, strict=True)))


def _window(call: Call) -> Shape:
    """Of a convolution or a pool: the channels are those of the file."""
    node, sides = call.node, []
    kernel = (node.option("k_h"), node.option("k_w")) if "k_h" in node.options else call.inputs[1].shape[1:3]
    for side, size, axis in zip(call.source[1:3], kernel, "hw", strict=True):
        reach = (size - 1) * int(node.options.get(f"dil_{axis}", 1)) + 1
        taken = side if PADDINGS[node.option("padding")] == "SAME" else side - reach + 1
        sides.append(math.ceil(taken / node.option(f"stride_{axis}")))
    return (call.source[0], *sides, call.out.shape[3])


def _fully_connected(call: Call) -> Shape:
    out_c, in_c = call.inputs[1].shape
    kept = len(call.out.shape) == len(call.source) != 2
    return (*call.source[:-1], out_c) if kept else (call.inputs[0].elements // in_c, out_c)


def _space_to_batch(call: Call) -> Shape | None:
    block, more = call.numbers(1), call.sums(2)
    if block is None or more is None:
        return None
    sides = [(side + amount) // size for side, size, amount in zip(call.source[1:], block, more, strict=False)]
    return (call.source[0] * math.prod(block), *sides, *call.source[1 + len(block) :])


def _batch_to_space(call: Call) -> Shape | None:
    block, less = call.numbers(1), call.sums(2)
    if block is None or less is None:
        return None
    sides = [side * size - amount for side, size, amount in zip(call.source[1:], block, less, strict=False)]
    return (call.source[0] // math.prod(block), *sides, *call.source[1 + len(block) :])


RULES: dict[str, Callable[[Call], Shape | None]] = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU"), _broadcast),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"), _window),
    **dict.fromkeys(
        (
            *("ABS", "DEQUANTIZE", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "QUANTIZE"),
            *("RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "REVERSE_V2", "SOFTMAX", "TANH"),
        ),
        lambda call: call.source,
    ),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
    "BATCH_TO_SPACE_ND": _batch_to_space,
    "CONCATENATION": _concatenation,
    "EXPAND_DIMS": _expand,
    "FULLY_CONNECTED": _fully_connected,
    "PACK": _pack,
    "RESHAPE": _reshape,
    "SPACE_TO_BATCH_ND": _space_to_batch,
    "SPLIT": _split,
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": lambda call: call.numbers(0),
    "UNPACK": _unpack,
}
