"""What each operator of a `.tflite` computes, in TensorFlow and for a whole batch, so that it can be differentiated.

Every tensor has the batch as the outermost part of its first axis: what is [k, ...] in the file is
[batch * k, ...] here.
TRANSPOSE_CONV takes its weights as input 1 and its data as input 2, as the schema has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.errors import ConvertError
from edgeq.finetune.graph import Graph, Node

PADDINGS = ("SAME", "VALID")
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH")
"""By their numbers in the schema."""


@dataclass(frozen=True)
class Call:
    """One node at work: `x` are its inputs as tensors (None where one is left out)."""

    tf: Any
    graph: Graph
    node: Node
    x: list[Any]

    @property
    def options(self) -> Any:
        return self.node.options

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first output, in the file."""
        return self.graph.shapes[self.node.outputs[0]]

    @property
    def source(self) -> tuple[int, ...]:
        """The shape of the first input, in the file."""
        return self.graph.shapes[self.node.inputs[0]]

    def constant(self, place: int) -> Any:
        """The value of an input that must be a constant."""
        found = self.graph.constants.get(self.node.inputs[place])
        if found is None:
            raise self.refuse("takes a shape or an axis that is computed")
        return found

    def refuse(self, why: str) -> ConvertError:
        return ConvertError(
            f"The operator {self.node.name} at '{self.graph.names[self.node.outputs[0]]}' {why}; it cannot be trained.",
            "Quantize this model after training (edgeq build), or replace the layer.",
        )

    def axes(self, place: int) -> list[int]:
        """Constant axes, counted from the front; the batch is none of them."""
        found = [int(axis) % len(self.source) for axis in np.ravel(self.constant(place))]
        if 0 in found:
            raise self.refuse("works across the batch")
        return found


def run(tf: Any, graph: Graph, node: Node, x: list[Any]) -> list[Any]:
    """The outputs of one node. `ConvertError` for an operator that is not in `OPERATORS`."""
    call = Call(tf, graph, node, x)
    if node.name not in OPERATORS:
        raise call.refuse("is none that edgeq can differentiate")
    found = OPERATORS[node.name](call)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def activate(tf: Any, number: int, value: Any) -> Any:
    """A fused activation, by its number in the schema."""
    name = ACTIVATIONS[number] if number < len(ACTIVATIONS) else "?"
    if name == "RELU_N1_TO_1":
        return tf.clip_by_value(value, -1.0, 1.0)
    return {"NONE": lambda v: v, "RELU": tf.nn.relu, "RELU6": tf.nn.relu6, "TANH": tf.tanh}[name](value)


def _finish(call: Call, value: Any, bias: int) -> Any:
    if bias < len(call.x) and call.x[bias] is not None:
        value = value + call.x[bias]
    return activate(call.tf, call.options.fusedActivationFunction, value)


def _conv(call: Call) -> Any:
    options = call.options
    made = call.tf.nn.conv2d(
        call.x[0],
        call.tf.transpose(call.x[1], [1, 2, 3, 0]),
        [options.strideH, options.strideW],
        PADDINGS[options.padding],
        dilations=[options.dilationHFactor, options.dilationWFactor],
    )
    return _finish(call, made, 2)


def _depthwise(call: Call) -> Any:
    options = call.options
    if options.strideH != options.strideW:
        raise call.refuse("has strides that differ")
    _, height, width, out = call.graph.shapes[call.node.inputs[1]]
    depth = call.source[3]
    made = call.tf.nn.depthwise_conv2d(
        call.x[0],
        call.tf.reshape(call.x[1], [height, width, depth, out // depth]),
        [1, options.strideH, options.strideW, 1],
        PADDINGS[options.padding],
        dilations=[options.dilationHFactor, options.dilationWFactor],
    )
    return _finish(call, made, 2)


def _dense(call: Call) -> Any:
    width = call.graph.shapes[call.node.inputs[1]][1]
    made = call.tf.matmul(call.tf.reshape(call.x[0], [-1, width]), call.x[1], transpose_b=True)
    return call.tf.reshape(_finish(call, made, 2), [-1, *call.shape[1:]])


def _transpose_conv(call: Call) -> Any:
    options = call.options
    batch = call.tf.shape(call.x[2])[0]
    made = call.tf.nn.conv2d_transpose(
        call.x[2],
        call.tf.transpose(call.x[1], [1, 2, 0, 3]),
        call.tf.stack([batch, *call.shape[1:]]),
        [options.strideH, options.strideW],
        PADDINGS[options.padding],
    )
    return _finish(call, made, 3)


def _pool(kind: str) -> Callable[[Call], Any]:
    def pooled(call: Call) -> Any:
        options = call.options
        made = call.tf.nn.pool(
            call.x[0],
            [options.filterHeight, options.filterWidth],
            kind,
            strides=[options.strideH, options.strideW],
            padding=PADDINGS[options.padding],
        )
        return activate(call.tf, options.fusedActivationFunction, made)

    return pooled


def _two(function: str, fused: bool = True) -> Callable[[Call], Any]:
    """Element by element; a constant must not differ along the batch."""

    def computed(call: Call) -> Any:
        for index in call.node.inputs:
            constant = call.graph.constants.get(index)
            if constant is not None and constant.ndim == len(call.shape) and constant.ndim and constant.shape[0] != 1:
                raise call.refuse("has a constant that differs along the batch")
        made = getattr(call.tf, function)(call.x[0], call.x[1])
        return activate(call.tf, call.options.fusedActivationFunction, made) if fused else made

    return computed


def _reduce(function: str) -> Callable[[Call], Any]:
    def reduced(call: Call) -> Any:
        keep = bool(call.options.keepDims)
        return getattr(call.tf, function)(call.x[0], axis=call.axes(1), keepdims=keep)

    return reduced


def _reshape(call: Call) -> Any:
    return call.tf.reshape(call.x[0], [-1, *call.shape[1:]])


def _transpose(call: Call) -> Any:
    order = [int(axis) for axis in call.constant(1)]
    if order[0] != 0:
        raise call.refuse("moves the batch")
    return call.tf.transpose(call.x[0], order)


def _concatenate(call: Call) -> Any:
    axis = call.options.axis % len(call.shape)
    if axis == 0:
        raise call.refuse("works across the batch")
    return activate(call.tf, call.options.fusedActivationFunction, call.tf.concat(call.x, axis))


def _pad(call: Call) -> Any:
    sizes = call.constant(1)
    if sizes[0].any():
        raise call.refuse("pads the batch")
    value = 0.0 if len(call.x) < 3 else float(np.ravel(call.constant(2))[0])
    return call.tf.pad(call.x[0], sizes, constant_values=value)


def _mirror_pad(call: Call) -> Any:
    if call.constant(1)[0].any():
        raise call.refuse("pads the batch")
    return call.tf.pad(call.x[0], call.constant(1), mode=("REFLECT", "SYMMETRIC")[call.options.mode])


def _slice(call: Call) -> Any:
    begin, size = call.constant(1), call.constant(2)
    if begin[0] or size[0] not in (-1, call.source[0]):
        raise call.refuse("cuts the batch")
    return call.tf.slice(call.x[0], begin, [-1, *size[1:]])


def _strided_slice(call: Call) -> Any:
    begin, end, strides = (call.constant(place) for place in (1, 2, 3))
    options, masks = call.options, {}
    whole = (options.beginMask & 1 or begin[0] == 0) and (options.endMask & 1 or end[0] >= call.source[0])
    if not whole or strides[0] != 1 or options.shrinkAxisMask & 1 or options.newAxisMask & 1 or options.ellipsisMask:
        raise call.refuse("cuts the batch")
    masks = {"begin_mask": options.beginMask | 1, "end_mask": options.endMask | 1}
    masks |= {"new_axis_mask": options.newAxisMask, "shrink_axis_mask": options.shrinkAxisMask}
    return call.tf.strided_slice(call.x[0], begin, end, strides, **masks)


def _split(call: Call) -> Any:
    shape = call.graph.shapes[call.node.inputs[1]]
    axis = int(np.ravel(call.constant(0))[0]) % len(shape)
    if axis == 0:
        raise call.refuse("cuts the batch")
    return call.tf.split(call.x[1], call.options.numSplits, axis)


def _resize(method: str) -> Callable[[Call], Any]:
    def resized(call: Call) -> Any:
        function = getattr(call.tf.compat.v1.image, f"resize_{method}")
        return function(
            call.x[0],
            call.constant(1),
            align_corners=bool(call.options.alignCorners),
            half_pixel_centers=bool(call.options.halfPixelCenters),
        )

    return resized


def _softmax(call: Call) -> Any:
    return call.tf.nn.softmax(call.x[0] * call.options.beta)


def _prelu(call: Call) -> Any:
    return call.tf.where(call.x[0] >= 0, call.x[0], call.x[0] * call.x[1])


OPERATORS: dict[str, Callable[[Call], Any]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "TRANSPOSE_CONV": _transpose_conv,
    "AVERAGE_POOL_2D": _pool("AVG"),
    "MAX_POOL_2D": _pool("MAX"),
    "ADD": _two("add"),
    "SUB": _two("subtract"),
    "MUL": _two("multiply"),
    "DIV": _two("divide"),
    "MAXIMUM": _two("maximum", fused=False),
    "MINIMUM": _two("minimum", fused=False),
    "SQUARED_DIFFERENCE": lambda call: _two("subtract", fused=False)(call) ** 2,
    "MEAN": _reduce("reduce_mean"),
    "SUM": _reduce("reduce_sum"),
    "REDUCE_MAX": _reduce("reduce_max"),
    "REDUCE_MIN": _reduce("reduce_min"),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), _reshape),
    "TRANSPOSE": _transpose,
    "CONCATENATION": _concatenate,
    **dict.fromkeys(("PAD", "PADV2"), _pad),
    "MIRROR_PAD": _mirror_pad,
    "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice,
    "SPLIT": _split,
    "RESIZE_BILINEAR": _resize("bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": _resize("nearest_neighbor"),
    "SPACE_TO_DEPTH": lambda call: call.tf.nn.space_to_depth(call.x[0], call.options.blockSize),
    "DEPTH_TO_SPACE": lambda call: call.tf.nn.depth_to_space(call.x[0], call.options.blockSize),
    "SOFTMAX": _softmax,
    "LOGISTIC": lambda call: call.tf.sigmoid(call.x[0]),
    "TANH": lambda call: call.tf.tanh(call.x[0]),
    "RELU": lambda call: call.tf.nn.relu(call.x[0]),
    "RELU6": lambda call: call.tf.nn.relu6(call.x[0]),
    "RELU_N1_TO_1": lambda call: call.tf.clip_by_value(call.x[0], -1.0, 1.0),
    "LEAKY_RELU": lambda call: call.tf.nn.leaky_relu(call.x[0], call.options.alpha),
    "PRELU": _prelu,
    "ELU": lambda call: call.tf.nn.elu(call.x[0]),
    "HARD_SWISH": lambda call: call.x[0] * call.tf.nn.relu6(call.x[0] + 3.0) / 6.0,
    "GELU": lambda call: call.tf.nn.gelu(call.x[0], bool(call.options.approximate)),
    "ABS": lambda call: call.tf.abs(call.x[0]),
    "NEG": lambda call: -call.x[0],
    "EXP": lambda call: call.tf.exp(call.x[0]),
    "SQRT": lambda call: call.tf.sqrt(call.x[0]),
    "RSQRT": lambda call: call.tf.math.rsqrt(call.x[0]),
}
"""The operators that can be trained through."""
