"""Facts about a model, read from the bytes of its `.tflite` file: tensors, operators, sizes, multiply-accumulates.

Needs no TensorFlow. The file is untrusted: whatever is wrong with it ends as an `ArtifactError`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeq.errors import ArtifactError
from edgeq.model.flatbuffer import FlatBuffer, Table, damaged
from edgeq.model.macs import Work, operator_macs
from edgeq.model.schema import FLOATS, OPERATORS, TENSOR_TYPES

IDENTIFIER = b"TFL3"
MAX_RANK = 16


@dataclass(frozen=True)
class TensorInfo:
    """One tensor. `shape` has the batch dimension. `scales` and `zero_points` hold one value per tensor or per channel
    of `axis`; both are empty where it is not quantized. `data_bytes` is what the file stores: 0 for an activation."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    data_bytes: int
    variable: bool

    @property
    def elements(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes that its values take in memory; 0 for types without a fixed size."""
        return (self.elements * dict(TENSOR_TYPES)[self.dtype] + 7) // 8


@dataclass(frozen=True)
class Operator:
    """One operator; `inputs` and `outputs` are positions in `Subgraph.tensors`, -1 for an optional input left out."""

    name: str
    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    transposed_x: bool = False
    """BATCH_MATMUL only: its first input is transposed."""


@dataclass(frozen=True)
class Subgraph:
    """The first of a model is its main graph; others are bodies of control flow."""

    name: str
    tensors: tuple[TensorInfo, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class ModelInfo:
    """What one `.tflite` file holds. Sizes in bytes."""

    subgraphs: tuple[Subgraph, ...]
    size_bytes: int
    weights_bytes: int

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The inputs of the main graph, in order."""
        main = self.subgraphs[0]
        return tuple(main.tensors[index] for index in main.inputs)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The outputs of the main graph, in order."""
        main = self.subgraphs[0]
        return tuple(main.tensors[index] for index in main.outputs)

    @property
    def operators(self) -> Iterator[tuple[Subgraph, Operator]]:
        """Every operator with the graph that it is in."""
        return ((graph, operator) for graph in self.subgraphs for operator in graph.operators)

    def op_counts(self) -> dict[str, int]:
        """How often each operator occurs, by name; custom ones as `CUSTOM:name`."""
        counts = Counter(operator.custom or operator.name for _, operator in self.operators)
        return dict(sorted(counts.items()))

    def macs(self) -> int:
        """Multiply-accumulates of one inference; the body of a loop counts once."""
        return sum(
            operator_macs(
                operator.name,
                Work(
                    [graph.tensors[index].shape if index >= 0 else () for index in operator.inputs],
                    [graph.tensors[index].shape for index in operator.outputs],
                    operator.transposed_x,
                ),
            )
            for graph, operator in self.operators
        )

    def float_tensors(self) -> tuple[TensorInfo, ...]:
        """Every tensor of a floating-point type."""
        return tuple(tensor for graph in self.subgraphs for tensor in graph.tensors if tensor.dtype in FLOATS)

    def largest_activations_bytes(self) -> int:
        """The most that the inputs and outputs of one operator take together: a lower bound of the working memory."""
        sizes = (
            sum(
                graph.tensors[index].size_bytes
                for index in {*operator.inputs, *operator.outputs}
                if index >= 0 and not graph.tensors[index].data_bytes
            )
            for graph, operator in self.operators
        )
        return max(sizes, default=0)


def read_model(data: bytes) -> ModelInfo:
    """Read and check one `.tflite` file; an `ArtifactError` says what is wrong with it."""
    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise ArtifactError("The file is not a .tflite model: its identifier is missing.", "Give a .tflite file.")
    root = FlatBuffer(data).root()
    if root.integer(0, "I") != 3:
        raise ArtifactError(
            f"The .tflite file has schema version {root.integer(0, 'I')}; edgeq knows 3.",
            "Upgrade edgeq, or convert again.",
        )
    codes = [_operator_code(code) for code in root.tables(1)]
    buffers = [_buffer_bytes(buffer) for buffer in root.tables(4)]
    subgraphs = tuple(_subgraph(graph, codes, buffers) for graph in root.tables(2))
    if not subgraphs:
        raise damaged("it has no graph")
    return ModelInfo(subgraphs, len(data), _weights_bytes(root, buffers))


def _weights_bytes(root: Table, buffers: list[int]) -> int:
    used = {tensor.integer(2, "I") for graph in root.tables(2) for tensor in graph.tables(0)}
    return sum(buffers[index] for index in used)


def _operator_code(code: Table) -> tuple[str, str]:
    number = max(code.integer(0, "b"), code.integer(3, "i"))
    if not 0 <= number < len(OPERATORS):
        raise ArtifactError(
            f"The .tflite file uses operator {number}, which this edgeq does not know.", "Upgrade edgeq."
        )
    name = OPERATORS[number]
    return name, f"CUSTOM:{code.text(1)}" if name == "CUSTOM" else ""


def _buffer_bytes(buffer: Table) -> int:
    """Bytes stored, inside the FlatBuffer or (in files over 2 GB) behind it."""
    _, count = buffer.vector(0, 1)
    offset, size = buffer.integer(1, "Q"), buffer.integer(2, "Q")
    if offset > 1 and offset + size > len(buffer.buffer.data):
        raise damaged("a buffer runs past the end of the file")
    return count or (size if offset > 1 else 0)


def _subgraph(graph: Table, codes: list[tuple[str, str]], buffers: list[int]) -> Subgraph:
    tensors = tuple(_tensor(tensor, buffers) for tensor in graph.tables(0))
    operators = tuple(_operator(operator, codes, len(tensors)) for operator in graph.tables(3))
    inputs, outputs = _indexes(graph, 1, len(tensors)), _indexes(graph, 2, len(tensors))
    if -1 in inputs or -1 in outputs:
        raise damaged("an input or output of a graph is not a tensor")
    return Subgraph(graph.text(4), tensors, operators, inputs, outputs)


def _tensor(tensor: Table, buffers: list[int]) -> TensorInfo:
    name, type_number = tensor.text(3), tensor.integer(1, "b")
    if not 0 <= type_number < len(TENSOR_TYPES):
        raise ArtifactError(
            f"Tensor '{name}' has type {type_number}, which this edgeq does not know.", "Upgrade edgeq."
        )
    shape = tuple(tensor.numbers(0, "int32").tolist())
    if len(shape) > MAX_RANK or any(size < 0 for size in shape):
        raise damaged(f"tensor '{name}' has the shape {list(shape)}")
    index = tensor.integer(2, "I")
    if index >= len(buffers):
        raise damaged(f"tensor '{name}' refers to buffer {index} of {len(buffers)}")
    dtype, bits = TENSOR_TYPES[type_number]
    expected = (math.prod(shape) * bits + 7) // 8
    if buffers[index] and bits and tensor.table(6) is None and buffers[index] != expected:
        raise damaged(f"tensor '{name}' should hold {expected} bytes and holds {buffers[index]}")
    scales, zero_points, axis = _quantization(tensor, name, shape)
    return TensorInfo(name, shape, dtype, scales, zero_points, axis, buffers[index], bool(tensor.integer(5, "?")))


def _quantization(tensor: Table, name: str, shape: tuple[int, ...]) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    table = tensor.table(4)
    if table is None:
        return (), (), 0
    scales = tuple(table.numbers(2, "float32").tolist())
    zero_points = tuple(table.numbers(3, "int64").tolist()) or (0,) * len(scales)
    axis = table.integer(6, "i")
    if not scales:
        return (), (), 0
    if len(zero_points) == 1:
        zero_points *= len(scales)
    channels = shape[axis] if 0 <= axis < len(shape) else -1
    fits = len(scales) == len(zero_points) and len(scales) in (1, channels)
    if not fits or not all(np.isfinite(scale) and scale >= 0 for scale in scales):
        raise damaged(f"the scales and zero points of tensor '{name}' do not fit it")
    return scales, zero_points, axis


def _operator(operator: Table, codes: list[tuple[str, str]], tensors: int) -> Operator:
    index = operator.integer(0, "I")
    if index >= len(codes):
        raise damaged(f"an operator refers to operator code {index} of {len(codes)}")
    name, custom = codes[index]
    inputs, outputs = _indexes(operator, 1, tensors), _indexes(operator, 2, tensors)
    if -1 in outputs:
        raise damaged(f"an output of a {name} is not a tensor")
    options = operator.table(4) if name == "BATCH_MATMUL" else None
    return Operator(name, custom, inputs, outputs, bool(options and options.integer(0, "?")))


def _indexes(table: Table, field: int, tensors: int) -> tuple[int, ...]:
    values = tuple(table.numbers(field, "int32").tolist())
    if any(not -1 <= value < tensors for value in values):
        raise damaged("an operator or graph refers to a tensor that does not exist")
    return values
