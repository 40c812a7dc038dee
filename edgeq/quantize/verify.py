"""Checks that a converted model is what was promised: integers throughout."""

from __future__ import annotations

from edgeq.errors import ConvertError
from edgeq.model.schema import FLOATS
from edgeq.model.tflite import ModelInfo, Operator, Subgraph, TensorInfo

HINT = (
    "The layer behind it has no int8 form: use another layer (for example ReLU instead of an exotic activation), "
    "or leave that step to the application."
)


def check_integer(model: ModelInfo, io: str = "int8") -> None:
    """`ConvertError` naming the first operator or tensor that is of a float type.

    With `io` "float32" inputs and outputs are float, with QUANTIZE and DEQUANTIZE directly behind them; no more.
    """
    for tensor in (*model.inputs, *model.outputs):
        if tensor.dtype != io:
            raise ConvertError(
                f"The converted model's input or output '{tensor.name}' is {tensor.dtype}; {io} was promised.", HINT
            )
    allowed = set(model.inputs + model.outputs) if io == "float32" else set[TensorInfo]()
    for graph in model.subgraphs:
        for number, operator in enumerate(graph.operators):
            _check_operator(graph, number, operator, allowed)
    for tensor in model.float_tensors():
        if tensor not in allowed:
            raise ConvertError(f"The converted model holds the {tensor.dtype} tensor '{tensor.name}'.", HINT)


def _check_operator(graph: Subgraph, number: int, operator: Operator, allowed: set[TensorInfo]) -> None:
    for index in (*operator.inputs, *operator.outputs):
        tensor = graph.tensors[index] if index >= 0 else None
        if tensor is None or tensor.dtype not in FLOATS:
            continue
        if operator.name in ("QUANTIZE", "DEQUANTIZE") and tensor in allowed:
            continue
        raise ConvertError(
            f"The converted model is not fully integer: operator {operator.custom or operator.name} (number {number}) "
            f"works on the {tensor.dtype} tensor '{tensor.name}'.",
            HINT,
        )
