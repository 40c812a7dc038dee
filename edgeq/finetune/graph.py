"""The main graph of a float `.tflite` with its constants, as training walks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError
from edgeq.model.info import ModelInfo
from edgeq.model.objects import unpack_tflite
from edgeq.model.tflite import read_model
from edgeq.quantize.detect import WEIGHTED

Array = NDArray[Any]

BIAS = 2
"""Which input of an operator with weights its bias is."""


@dataclass(frozen=True)
class Node:
    """One operator; `inputs` and `outputs` as in `Operator`, `options` as the schema's generated code has them."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class Graph:
    """`shapes`, `names` by tensor; `constants` of those that are stored. Values lie with the batch in front, of 1."""

    nodes: tuple[Node, ...]
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    constants: dict[int, Array]
    floats: frozenset[int]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    info: ModelInfo

    def computed(self, node: Node) -> list[int]:
        """The float inputs of a node that are no constants."""
        return [index for index in node.inputs if index in self.floats and index not in self.constants]

    def weights(self) -> dict[int, int]:
        """Tensor -> the axis of its output channels, for the constants that are weights."""
        found = {}
        for node in self.nodes:
            place, axis = WEIGHTED.get(node.name, (-1, 0))
            if place >= 0 and node.inputs[place] in self.constants:
                found[node.inputs[place]] = axis
        return found

    def biases(self) -> dict[int, int]:
        """Tensor -> the weights that it goes with."""
        found = {}
        for node in self.nodes:
            place = _bias(node)
            if place is not None and node.inputs[place] in self.constants:
                found[node.inputs[place]] = node.inputs[1]
        return found


def read_graph(model: bytes) -> Graph:
    """`ConvertError` for what cannot be trained as a whole: several graphs, tensors that keep a state."""
    info = read_model(model)
    if len(info.subgraphs) > 1 and any(operator.graphs for _, operator in info.operators):
        raise ConvertError(
            "The model has a loop or a branch, as LSTM and GRU layers make it; that cannot be trained here.",
            "Give the layer unroll=True, or quantize the model after training (edgeq build).",
        )
    main = info.subgraphs[0]
    if any(tensor.variable for tensor in main.tensors):
        raise ConvertError(
            "The model keeps a state between inferences; that cannot be trained here.", "Use edgeq build."
        )
    unpacked = unpack_tflite(model)
    objects = unpacked.subgraphs[0]
    nodes = tuple(
        Node(facts.name, facts.inputs, facts.outputs, operator.builtinOptions)
        for facts, operator in zip(main.operators, objects.operators, strict=True)
    )
    constants = {
        index: _constant(unpacked.buffers[tensor.buffer].data, facts.dtype, facts.shape)
        for index, (tensor, facts) in enumerate(zip(objects.tensors, main.tensors, strict=True))
        if facts.data_bytes and facts.dtype in ("float32", "int32", "int64", "bool")
    }
    return Graph(
        nodes,
        tuple(tensor.name for tensor in main.tensors),
        tuple(tensor.shape for tensor in main.tensors),
        constants,
        frozenset(index for index, tensor in enumerate(main.tensors) if tensor.dtype == "float32"),
        main.inputs,
        main.outputs,
        info,
    )


def channels(values: Array, axis: int) -> Array:
    """The largest magnitude of each channel along `axis`, shaped to broadcast."""
    others = tuple(place for place in range(values.ndim) if place != axis)
    return np.asarray(np.abs(values).max(axis=others, keepdims=True), np.float32)


def _constant(data: Any, dtype: str, shape: tuple[int, ...]) -> Array:
    return np.frombuffer(bytes(data), np.dtype(dtype).newbyteorder("<")).reshape(shape).astype(dtype)


def _bias(node: Node) -> int | None:
    place = {"TRANSPOSE_CONV": 3}.get(node.name, BIAS) if node.name in WEIGHTED else None
    return place if place is not None and place < len(node.inputs) and node.inputs[place] >= 0 else None
