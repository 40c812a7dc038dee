"""From graph to records: one function per operator of TFLite, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgeq.errors import ConvertError
from edgeq.micro.fields import View
from edgeq.micro.graph import Graph, Node
from edgeq.micro.lower import blocks, elementwise, extremes, pick, recurrent, reduce, shape, transpose_conv, window
from edgeq.micro.lower.context import Lowering, require_multipliers, require_rank
from edgeq.micro.plan import Plan
from edgeq.micro.records import Dequantize, Op

OPERATORS: Mapping[str, Callable[[Lowering, Node], None]] = {
    "ABS": elementwise.absolute,
    "ADD": elementwise.add,
    "ASSIGN_VARIABLE": shape.assign_variable,
    "AVERAGE_POOL_2D": window.average_pool_2d,
    "BATCH_TO_SPACE_ND": blocks.batch_to_space,
    "BROADCAST_TO": pick.broadcast_to,
    "CONCATENATION": shape.concatenation,
    "CONV_2D": window.conv_2d,
    "DEPTHWISE_CONV_2D": window.depthwise_conv_2d,
    "DEPTH_TO_SPACE": blocks.depth_to_space,
    "DEQUANTIZE": elementwise.dequantize,
    "ELU": elementwise.elu,
    "EXP": elementwise.exp,
    "EXPAND_DIMS": shape.reshape,
    "FULLY_CONNECTED": window.fully_connected,
    "GATHER": pick.gather,
    "GELU": elementwise.gelu,
    "HARD_SWISH": elementwise.hard_swish,
    "LEAKY_RELU": elementwise.leaky_relu,
    "LOG": elementwise.log,
    "LOGISTIC": elementwise.logistic,
    "MAXIMUM": extremes.maximum,
    "MAX_POOL_2D": window.max_pool_2d,
    "MEAN": reduce.mean,
    "MINIMUM": extremes.minimum,
    "MIRROR_PAD": pick.mirror_pad,
    "MUL": elementwise.mul,
    "PACK": shape.pack,
    "PAD": shape.pad,
    "PADV2": shape.pad,
    "PRELU": elementwise.prelu,
    "QUANTIZE": elementwise.quantize,
    "READ_VARIABLE": shape.read_variable,
    "REDUCE_MAX": reduce.reduce_max,
    "REDUCE_MIN": reduce.reduce_min,
    "RELU": elementwise.relu,
    "RELU6": elementwise.relu6,
    "RELU_0_TO_1": elementwise.relu_0_to_1,
    "RELU_N1_TO_1": elementwise.relu_n1_to_1,
    "RESHAPE": shape.reshape,
    "RESIZE_NEAREST_NEIGHBOR": pick.resize_nearest_neighbor,
    "REVERSE_V2": pick.reverse,
    "SLICE": pick.slice_,
    "SOFTMAX": elementwise.softmax,
    "SPACE_TO_BATCH_ND": blocks.space_to_batch,
    "SPACE_TO_DEPTH": blocks.space_to_depth,
    "SPLIT": shape.split,
    "SPLIT_V": shape.split_v,
    "SQUEEZE": shape.reshape,
    "STRIDED_SLICE": shape.strided_slice,
    "SUB": elementwise.sub,
    "SUM": reduce.total,
    "SVDF": recurrent.svdf,
    "TANH": elementwise.tanh,
    "TILE": pick.tile,
    "TRANSPOSE": shape.transpose,
    "TRANSPOSE_CONV": transpose_conv.transpose_conv,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.unidirectional_sequence_lstm,
    "UNPACK": shape.unpack,
    "VAR_HANDLE": shape.var_handle,
}

NEAREST = {
    "ARG_MAX": "Let the application take the largest of the scores.",
    "BATCH_MATMUL": "Only products with constants run (FULLY_CONNECTED): attention between activations does not.",
    "CAST": "Let inputs, outputs and everything between be int8.",
    "CONV_3D": "Use CONV_2D over frames, or over time and one side.",
    "DIV": "Multiply (MUL) by a constant, or by what a table can give (LOGISTIC, TANH, EXP).",
    "LOG_SOFTMAX": "End with SOFTMAX, or with the scores before it.",
    "NEG": "Subtract (SUB) from a constant 0, or let the weights before it have the other sign.",
    "RESIZE_BILINEAR": "Enlarge with RESIZE_NEAREST_NEIGHBOR (UpSampling2D's default) or TRANSPOSE_CONV.",
    "SELECT_V2": "Use RELU, MINIMUM, MAXIMUM or a product with a mask.",
    "SQUARED_DIFFERENCE": "Use SUB and MUL, and BatchNormalization in place of LayerNormalization.",
    "WHILE": "Unroll the layer (unroll=True), or let an LSTM become UNIDIRECTIONAL_SEQUENCE_LSTM.",
}
"""For operators that networks often have: the nearest form that runs."""


def lower(graph: Graph) -> Plan:
    """The plan of a graph, not yet fused. `ConvertError` names an operator and tensor that has no kernel."""
    low = Lowering(graph)
    for index in (*graph.inputs, *graph.outputs):
        require_rank(graph.tensors[index])
    inputs = tuple(low.allocate(graph.tensors[index]) for index in graph.inputs)
    for node in graph.nodes:
        if elementwise.of_float(low, node):
            continue
        handle = OPERATORS.get(node.op)
        if handle is None:
            raise ConvertError(
                f"{node.op} at tensor '{graph.tensors[node.outputs[0]].name}' has no kernel in the microcontroller "
                "runtime.",
                NEAREST.get(node.op, f"It runs {', '.join(OPERATORS)}."),
            )
        done = len(low.ops)
        handle(low, node)
        for op in low.ops[done:]:
            require_multipliers(node, low.result(node) if node.outputs else None, op)
    outputs = tuple(low.view(graph.tensors[index]) for index in graph.outputs)
    return Plan(_used(low.ops, outputs), inputs, outputs, tuple(low.states))


def _used(ops: Sequence[Op], outputs: Sequence[View]) -> tuple[Op, ...]:
    """Without each DEQUANTIZE whose result nobody reads."""
    read = {view.buffer for view in (*(view for op in ops for view in op.reads), *outputs)}
    return tuple(op for op in ops if not isinstance(op, Dequantize) or op.out.buffer in read)
