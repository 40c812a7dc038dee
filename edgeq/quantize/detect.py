"""Which mode a `.tflite` model is in, from what its file says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.model.schema import FLOATS
from edgeq.model.tflite import ModelInfo, Operator, Subgraph, TensorInfo

CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})
UNPACKS = frozenset({"DEQUANTIZE", "DENSIFY"})

WEIGHTED = {
    "CONV_2D": (1, 0),
    "DEPTHWISE_CONV_2D": (1, 3),
    "FULLY_CONNECTED": (1, 0),
    "TRANSPOSE_CONV": (1, 0),
}
"""Operators whose weights may be int8 in a model of floats: (which input they are, the axis of their channels)."""


LEAST_ELEMENTS = 1024
"""Weights smaller than this stay float in the dynamic mode, as in TensorFlow's converter: nothing would be saved."""


@dataclass(frozen=True)
class Detected:
    """`mode` and `granularity` as in `Recipe`; `io` is the type of the first input or output that
    holds real numbers."""

    mode: str
    granularity: str
    io: str


def detect_mode(model: ModelInfo) -> Detected | None:
    """The mode of `model`; None where it mixes several, or computes in a type that no mode has."""
    computed = set(_computed(model))
    stored = [tensor for graph in model.subgraphs for tensor in graph.tensors if tensor.data_bytes]
    mode = _static(computed) or _floating({tensor.dtype for tensor in computed}, stored, _unpacked(model))
    if mode and "_wi8_" in mode and any(tensor.dtype == "int4" for tensor in stored):
        mode = mode.replace("_wi8_", "_wi4_")
    if mode is None:
        return None
    granularity = "channel" if any(len(tensor.scales) > 1 for tensor in stored) else "tensor"
    return Detected(mode, granularity if mode not in ("float16", "float32") else "channel", _io(model))


def weights(graph: Subgraph, operator: Operator) -> TensorInfo | None:
    """The constant weights of an operator; None where it has none."""
    place = WEIGHTED.get(operator.name, (-1, 0))[0]
    if not 0 <= place < len(operator.inputs) or operator.inputs[place] < 0:
        return None
    tensor = graph.tensors[operator.inputs[place]]
    return tensor if tensor.data_bytes else None


def _static(computed: set[TensorInfo]) -> str | None:
    """Integers throughout, and what stands for real numbers has a scale."""
    scaled = {tensor.dtype for tensor in computed if tensor.scales}
    if any(tensor.dtype in FLOATS for tensor in computed):
        return None
    if scaled == {"int16"}:
        return "static_wi8_ai16"
    # What is remembered between inferences, and a softmax's result, may be finer than the rest.
    finer = scaled - {"int16", "int32"}
    return "static_wi8_ai8" if finer in ({"int8"}, {"uint8"}) else None


def _unpacked(model: ModelInfo) -> set[TensorInfo]:
    """Constants that become floats before they are used."""
    return {
        graph.tensors[index]
        for graph, operator in model.operators
        if operator.name in UNPACKS
        for index in operator.inputs
        if index >= 0
    }


def _floating(computed: set[str], stored: list[TensorInfo], unpacked: set[TensorInfo]) -> str | None:
    if any(dtype in computed for dtype in ("int8", "uint8", "int16")) or computed & (FLOATS - {"float32"}):
        return None
    scaled = {tensor for tensor in stored if tensor.scales}
    if scaled:
        return "weight_only_wi8_afp32" if scaled <= unpacked else "dynamic_wi8_afp32"
    return "float16" if any(tensor.dtype == "float16" for tensor in stored) else "float32"


def _computed(model: ModelInfo) -> Iterator[TensorInfo]:
    """What operators other than casts read and write, without constants, packed or as they are unpacked."""
    for graph in model.subgraphs:
        fixed = {index for index, tensor in enumerate(graph.tensors) if tensor.data_bytes}
        for operator in graph.operators:
            if operator.name in UNPACKS and fixed.issuperset(operator.inputs):
                fixed.update(operator.outputs)
        for operator in graph.operators:
            if operator.name not in CASTS:
                used = {*operator.inputs, *operator.outputs} - fixed - {-1}
                yield from (graph.tensors[index] for index in sorted(used))


def _io(model: ModelInfo) -> str:
    ends = (*model.inputs, *model.outputs)
    return next((tensor.dtype for tensor in ends if tensor.scales or tensor.dtype in FLOATS), "")
