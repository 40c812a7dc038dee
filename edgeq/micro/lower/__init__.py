"""From graph to records: one function per operator of TFLite, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgeq.errors import ConvertError
from edgeq.micro.graph import Graph, Node
from edgeq.micro.lower import elementwise, recurrent, reduce, shape, window
from edgeq.micro.lower.context import Lowering, require_rank
from edgeq.micro.plan import Plan

OPERATORS: Mapping[str, Callable[[Lowering, Node], None]] = {
    "ADD": elementwise.add,
    "ASSIGN_VARIABLE": shape.assign_variable,
    "AVERAGE_POOL_2D": window.average_pool_2d,
    "CONCATENATION": shape.concatenation,
    "CONV_2D": window.conv_2d,
    "DEPTHWISE_CONV_2D": window.depthwise_conv_2d,
    "DEQUANTIZE": elementwise.dequantize,
    "EXPAND_DIMS": shape.reshape,
    "FULLY_CONNECTED": window.fully_connected,
    "HARD_SWISH": elementwise.hard_swish,
    "LOGISTIC": elementwise.logistic,
    "MAX_POOL_2D": window.max_pool_2d,
    "MEAN": reduce.mean,
    "MUL": elementwise.mul,
    "PAD": shape.pad,
    "PADV2": shape.pad,
    "QUANTIZE": elementwise.quantize,
    "READ_VARIABLE": shape.read_variable,
    "RELU": elementwise.relu,
    "RELU6": elementwise.relu6,
    "RESHAPE": shape.reshape,
    "SOFTMAX": elementwise.softmax,
    "SPLIT": shape.split,
    "SQUEEZE": shape.reshape,
    "STRIDED_SLICE": shape.strided_slice,
    "SUB": elementwise.sub,
    "SVDF": recurrent.svdf,
    "TANH": elementwise.tanh,
    "TRANSPOSE": shape.transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.unidirectional_sequence_lstm,
    "VAR_HANDLE": shape.var_handle,
}


def lower(graph: Graph) -> Plan:
    """The plan of a graph, not yet fused. `ConvertError` names an operator and tensor that has no kernel."""
    low = Lowering(graph)
    for index in (*graph.inputs, *graph.outputs):
        require_rank(graph.tensors[index])
    inputs = tuple(low.allocate(graph.tensors[index]) for index in graph.inputs)
    for node in graph.nodes:
        handle = OPERATORS.get(node.op)
        if handle is None:
            raise ConvertError(
                f"{node.op} at tensor '{graph.tensors[node.outputs[0]].name}' has no kernel in the microcontroller "
                "runtime.",
                f"It runs {', '.join(OPERATORS)}.",
            )
        handle(low, node)
    outputs = tuple(low.view(graph.tensors[index]) for index in graph.outputs)
    return Plan(tuple(low.ops), inputs, outputs, tuple(low.states))
