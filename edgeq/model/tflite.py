"""Facts about a model, read from the bytes of its `.tflite` file: tensors, operators, sizes, multiply-accumulates.

Needs no TensorFlow. The file is untrusted: whatever is wrong with it ends as an `ArtifactError`.
"""

from __future__ import annotations

import math

import numpy as np

from edgeq.errors import ArtifactError
from edgeq.model.flatbuffer import FlatBuffer, Table, damaged
from edgeq.model.info import ModelInfo, Operator, Subgraph, TensorInfo
from edgeq.model.schema import OPERATORS, TENSOR_TYPES
from edgeq.model.structure import check_structure

__all__ = ["ModelInfo", "Operator", "Subgraph", "TensorInfo", "read_model"]

IDENTIFIER = b"TFL3"
MAX_RANK = 16
MAX_NAME = 1024
MAX_TENSOR_BYTES = (1 << 31) - 1
"""The runtimes count in 32 bits."""

_ZERO_POINTS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-(1 << 15), (1 << 15) - 1), "int4": (-8, 7)}
_CALLS = {
    "CALL": (4, (0,)),
    "CALL_ONCE": (4, (0,)),
    "IF": (4, (0, 1)),
    "WHILE": (4, (0, 1)),
    "STABLEHLO_COMPOSITE": (12, (1,)),
    "STABLEHLO_WHILE": (12, (0, 1)),
}
"""Operators that run graphs: (the field of their options, the fields in it that number the graphs)."""


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
    check_structure(subgraphs)
    return ModelInfo(
        subgraphs,
        len(data),
        _weights_bytes(root, buffers),
        _open_inputs(root, subgraphs[0]),
        _signatures(root, len(subgraphs)),
    )


def _signatures(root: Table, graphs: int) -> tuple[tuple[str, int], ...]:
    found = tuple((_name(signature.text(2)), signature.integer(4, "I")) for signature in root.tables(7))
    if any(graph >= graphs for _, graph in found):
        raise damaged("a signature refers to a graph that does not exist")
    return found


def _open_inputs(root: Table, graph: Subgraph) -> tuple[tuple[str, str], ...]:
    """By the shape signatures, in which -1 stands for any size."""
    tensors = list(next(root.tables(2)).tables(0))
    signatures = [tensors[index].numbers(7, "int32").tolist() for index in graph.inputs]
    return tuple(
        (graph.tensors[index].name, f"[{', '.join('?' if size < 0 else str(size) for size in signature)}]")
        for index, signature in zip(graph.inputs, signatures, strict=True)
        if any(size < 0 for size in signature[1:])
    )


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
    return name, f"CUSTOM:{_name(code.text(1))}" if name == "CUSTOM" else ""


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
    return Subgraph(_name(graph.text(4)), tensors, operators, inputs, outputs)


def _tensor(tensor: Table, buffers: list[int]) -> TensorInfo:
    name, type_number = _name(tensor.text(3)), tensor.integer(1, "b")
    if not 0 <= type_number < len(TENSOR_TYPES):
        raise ArtifactError(
            f"Tensor '{name}' has type {type_number}, which this edgeq does not know.", "Upgrade edgeq."
        )
    shape = tuple(tensor.numbers(0, "int32").tolist())
    if len(shape) > MAX_RANK or any(size < 0 for size in shape):
        raise damaged(f"tensor '{name}' has the shape {list(shape)}")
    dtype, bits = TENSOR_TYPES[type_number]
    if math.prod(shape) * max(bits, 8) > 8 * MAX_TENSOR_BYTES:
        raise damaged(f"tensor '{name}' claims {math.prod(shape) * max(bits, 8) // 8} bytes (shape {list(shape)})")
    index = tensor.integer(2, "I")
    if index >= len(buffers):
        raise damaged(f"tensor '{name}' refers to buffer {index} of {len(buffers)}")
    expected = (math.prod(shape) * bits + 7) // 8
    if buffers[index] and bits and tensor.table(6) is None and buffers[index] != expected:
        raise damaged(f"tensor '{name}' should hold {expected} bytes and holds {buffers[index]}")
    scales, zero_points, axis = _quantization(tensor, name, shape)
    low, high = _ZERO_POINTS.get(dtype, (-(1 << 63), (1 << 63) - 1))
    if zero_points and not low <= min(zero_points) <= max(zero_points) <= high:
        raise damaged(f"a zero point of tensor '{name}' lies outside of {dtype}")
    return TensorInfo(name, shape, dtype, scales, zero_points, axis, buffers[index], bool(tensor.integer(5, "?")))


def _name(text: str) -> str:
    """A name that may stand in a sentence and on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_NAME])


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
    transposed = bool(options and options.integer(0, "?"))
    return Operator(name, custom, inputs, outputs, transposed, _called(name, operator))


def _called(name: str, operator: Table) -> tuple[int, ...]:
    """The graphs that an operator runs."""
    place, fields = _CALLS.get(name, (0, ()))
    options = operator.table(place) if fields else None
    return tuple(options.integer(field, "i") for field in fields) if options else (0,) * len(fields)


def _indexes(table: Table, field: int, tensors: int) -> tuple[int, ...]:
    values = tuple(table.numbers(field, "int32").tolist())
    if any(not -1 <= value < tensors for value in values):
        raise damaged("an operator or graph refers to a tensor that does not exist")
    return values
