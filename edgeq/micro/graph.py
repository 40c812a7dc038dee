"""A `.tflite` file as a graph of nodes with their options and constants: what the plan compiler starts from.

Needs no TensorFlow; the file is untrusted, as in `edgeq.model.tflite`. Option fields by their numbers in `schema.fbs`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError
from edgeq.model.constants import place_of
from edgeq.model.flatbuffer import FlatBuffer, Table, damaged
from edgeq.model.tflite import Operator, Subgraph, TensorInfo, read_model

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
PADDINGS = ("SAME", "VALID")
MAX_ELEMENTS = 1 << 26
INTEGERS = ("int8", "int16", "int32", "uint8")
NUMPY = {"float32": "f4", "int32": "i4", "uint8": "u1", "int64": "i8", "bool": "?", "int16": "i2", "int8": "i1"}

_WINDOW = {"padding": (0, "b", 0), "stride_w": (1, "i", 0), "stride_h": (2, "i", 0)}
_OPTIONS: Mapping[str, Mapping[str, tuple[int, str, int]]] = {
    "CONV_2D": {**_WINDOW, "activation": (3, "b", 0), "dil_w": (4, "i", 1), "dil_h": (5, "i", 1)},
    "DEPTHWISE_CONV_2D": {**_WINDOW, "activation": (4, "b", 0), "dil_w": (5, "i", 1), "dil_h": (6, "i", 1)},
    "AVERAGE_POOL_2D": {**_WINDOW, "k_w": (3, "i", 0), "k_h": (4, "i", 0), "activation": (5, "b", 0)},
    "MAX_POOL_2D": {**_WINDOW, "k_w": (3, "i", 0), "k_h": (4, "i", 0), "activation": (5, "b", 0)},
    "FULLY_CONNECTED": {"activation": (0, "b", 0), "weights_format": (1, "b", 0)},
    "ADD": {"activation": (0, "b", 0)},
    "SUB": {"activation": (0, "b", 0)},
    "MUL": {"activation": (0, "b", 0)},
    "SOFTMAX": {"beta": (0, "f", 0)},
    "CONCATENATION": {"axis": (0, "i", 0), "activation": (1, "b", 0)},
    "TRANSPOSE_CONV": {**_WINDOW, "activation": (3, "b", 0)},
    "PACK": {"axis": (1, "i", 0)},
    "UNPACK": {"axis": (1, "i", 0)},
    "GATHER": {"axis": (0, "i", 0), "batch_dims": (1, "i", 0)},
    "SPACE_TO_DEPTH": {"block": (0, "i", 0)},
    "DEPTH_TO_SPACE": {"block": (0, "i", 0)},
    "MIRROR_PAD": {"mode": (0, "b", 0)},
    "RESIZE_NEAREST_NEIGHBOR": {"align_corners": (0, "?", 0), "half_pixel_centers": (1, "?", 0)},
    "LEAKY_RELU": {"alpha": (0, "f", 0)},
    "GELU": {"approximate": (0, "?", 0)},
    "MEAN": {"keep_dims": (0, "?", 0)},
    "SPLIT": {"parts": (0, "i", 0)},
    "STRIDED_SLICE": {
        "begin_mask": (0, "i", 0),
        "end_mask": (1, "i", 0),
        "ellipsis_mask": (2, "i", 0),
        "new_axis_mask": (3, "i", 0),
        "shrink_axis_mask": (4, "i", 0),
        "offset": (5, "?", 0),
    },
    "SVDF": {"rank": (0, "i", 0), "activation": (1, "b", 0)},
    "UNIDIRECTIONAL_SEQUENCE_LSTM": {
        "activation": (0, "b", 0),
        "cell_clip": (1, "f", 0),
        "proj_clip": (2, "f", 0),
        "time_major": (3, "?", 0),
        "diagonal": (5, "?", 0),
    },
    "CALL_ONCE": {"subgraph": (0, "i", 0)},
}


@dataclass(frozen=True)
class Tensor(TensorInfo):
    """One tensor of a graph, at position `index`; `data` has its shape where it is a constant. `dynamic`: the file
    writes 1 for a side that it does not know."""

    index: int
    data: NDArray[np.generic] | None = field(compare=False, repr=False)
    dynamic: bool = False

    @property
    def scale(self) -> float:
        """The scale of a tensor with one; 0 without."""
        return self.scales[0] if self.scales else 0.0

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor with one; 0 without."""
        return self.zero_points[0] if self.zero_points else 0


@dataclass(frozen=True)
class Node:
    """One operator. `inputs` are tensor indexes, -1 for one left out; `options` by the names above, and `name` of a
    VAR_HANDLE."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, float] = field(default_factory=dict)
    name: str = ""

    def option(self, key: str) -> int:
        """An option that is a whole number."""
        return int(self.options[key])

    @property
    def activation(self) -> str:
        """The fused activation's name."""
        number = int(self.options.get("activation", 0))
        return ACTIVATIONS[number] if 0 <= number < len(ACTIVATIONS) else f"number {number}"


@dataclass(frozen=True)
class Graph:
    """The main graph of a model; `initial` holds first values of variables, by the name of their VAR_HANDLE."""

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    initial: Mapping[str, NDArray[np.generic]]


def read_graph(data: bytes) -> Graph:
    """The main graph of a file. `ArtifactError` where it is damaged, `ConvertError` for what cannot be planned."""
    info = read_model(data)
    root = FlatBuffer(data).root()
    buffers = [place_of(buffer) for buffer in root.tables(4)]
    tables = list(root.tables(2))
    graphs = [
        _graph(data, table, graph, buffers, table is tables[0])
        for table, graph in zip(tables, info.subgraphs, strict=True)
    ]
    tensors, nodes = graphs[0]
    initial: dict[str, NDArray[np.generic]] = {}
    for node in nodes:
        if node.op == "CALL_ONCE":
            number = node.option("subgraph")
            if not 0 < number < len(graphs):
                raise damaged(f"CALL_ONCE calls graph {number}")
            initial.update(_first_values(*graphs[number]))
    kept = tuple(node for node in nodes if node.op != "CALL_ONCE")
    return Graph(tensors, kept, info.subgraphs[0].inputs, info.subgraphs[0].outputs, initial)


def _graph(
    data: bytes, table: Table, graph: Subgraph, buffers: list[tuple[int, int]], main: bool
) -> tuple[tuple[Tensor, ...], tuple[Node, ...]]:
    entries = list(table.tables(0))
    tensors = tuple(
        _tensor(index, tensor, data, buffers[entry.integer(2, "I")], -1 in entry.numbers(7, "int32"))
        for index, (tensor, entry) in enumerate(zip(graph.tensors, entries, strict=True))
    )
    if main:
        for operator in graph.operators:
            if operator.custom:
                raise ConvertError(
                    f"The custom operator {operator.custom.partition(':')[2]} cannot run on a microcontroller.",
                    "Replace the layer behind it with one that converts to builtin operators.",
                )
    nodes = tuple(_node(operator, entry) for operator, entry in zip(graph.operators, table.tables(3), strict=True))
    return tensors, nodes


def _tensor(index: int, tensor: TensorInfo, data: bytes, place: tuple[int, int], dynamic: bool) -> Tensor:
    _check(tensor)
    start, count = place
    values = None
    if count and tensor.dtype in NUMPY:
        dtype = np.dtype(NUMPY[tensor.dtype]).newbyteorder("<")
        if count != tensor.elements * dtype.itemsize:
            raise damaged(f"tensor '{tensor.name}' holds {count} bytes")
        values = np.frombuffer(data, dtype, tensor.elements, start).reshape(tensor.shape)
    elif not tensor.elements and tensor.dtype in NUMPY:
        values = np.empty(tensor.shape, NUMPY[tensor.dtype])
    return Tensor(**vars(tensor), index=index, data=values, dynamic=dynamic)


def _check(tensor: TensorInfo) -> None:
    if math.prod(filter(None, tensor.shape)) > MAX_ELEMENTS:
        raise ConvertError(
            f"The tensor '{tensor.name}' of shape {tensor.shape} is too large for a microcontroller.",
            f"A tensor may have {MAX_ELEMENTS} elements.",
        )
    limits = np.iinfo(tensor.dtype if tensor.dtype in INTEGERS else "int32")
    if not all(limits.min <= value <= limits.max for value in tensor.zero_points):
        raise damaged(f"a zero point of tensor '{tensor.name}' is no {tensor.dtype}")


def _node(operator: Operator, entry: Table) -> Node:
    table = entry.table(4)
    options = {
        key: default if table is None else _number(table, number, code, default)
        for key, (number, code, default) in _OPTIONS.get(operator.name, {}).items()
    }
    name = table.text(1) if operator.name == "VAR_HANDLE" and table else ""
    return Node(operator.name, operator.inputs, operator.outputs, options, name)


def _number(table: Table, number: int, code: str, default: int) -> float:
    if code == "f":
        return float(struct.unpack("<f", struct.pack("<I", table.integer(number, "I")))[0])
    return table.integer(number, code, default)


def _first_values(tensors: tuple[Tensor, ...], nodes: tuple[Node, ...]) -> dict[str, NDArray[np.generic]]:
    """What the graph of a CALL_ONCE assigns, where it assigns constants."""
    handles = {node.outputs[0]: node.name for node in nodes if node.op == "VAR_HANDLE"}
    found = {}
    for node in nodes:
        if node.op == "ASSIGN_VARIABLE":
            values = tensors[node.inputs[1]].data
            if values is not None:
                found[handles[node.inputs[0]]] = values
        elif node.op != "VAR_HANDLE":
            raise ConvertError(
                f"The model computes the first value of a variable with {node.op}.",
                "Let variables begin with constants.",
            )
    return found
