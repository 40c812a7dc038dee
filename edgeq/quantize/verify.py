"""Checks that a converted model is what was promised: integers throughout."""

from __future__ import annotations

from edgeq.errors import ConvertError
from edgeq.model.schema import FLOATS
from edgeq.model.tflite import ModelInfo, Operator, Subgraph, TensorInfo

CASTS = ("QUANTIZE", "DEQUANTIZE")
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
    found = [
        (operator, tensor)
        for graph, operator in model.operators
        for tensor in _float_tensors(graph, operator)
        if operator.name not in CASTS or tensor not in allowed
    ]
    # The operator that has no integer form stands between two casts: naming those would not help.
    found.sort(key=lambda pair: pair[0].name in CASTS)
    if found:
        operator, tensor = found[0]
        raise ConvertError(
            f"The converted model is not fully integer: operator {operator.custom or operator.name} works on the "
            f"{tensor.dtype} tensor '{tensor.name}'.",
            HINT,
        )
    for tensor in model.float_tensors():
        if tensor not in allowed:
            raise ConvertError(f"The converted model holds the {tensor.dtype} tensor '{tensor.name}'.", HINT)


def _float_tensors(graph: Subgraph, operator: Operator) -> list[TensorInfo]:
    tensors = (graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0)
    return [tensor for tensor in tensors if tensor.dtype in FLOATS]
