"""The values that a `.tflite` file stores, and whether they are numbers at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError
from edgeq.model.flatbuffer import FlatBuffer, Table
from edgeq.model.info import ModelInfo, TensorInfo

_TYPES = {"float32": "<f4", "float16": "<f2", "float64": "<f8"}


def float_constants(data: bytes, model: ModelInfo) -> Iterator[tuple[TensorInfo, NDArray[np.floating]]]:
    """Every stored tensor of a floating-point type with its values (flat); `model` is `read_model(data)`."""
    root = FlatBuffer(data).root()
    buffers = [place_of(buffer) for buffer in root.tables(4)]
    for table, graph in zip(root.tables(2), model.subgraphs, strict=True):
        for entry, tensor in zip(table.tables(0), graph.tensors, strict=True):
            if tensor.data_bytes and tensor.dtype in _TYPES:
                item = np.dtype(_TYPES[tensor.dtype])
                start, size = buffers[entry.integer(2, "I")]
                yield tensor, np.frombuffer(data, item, size // item.itemsize, start)


def check_finite(data: bytes, model: ModelInfo) -> None:
    """`ConvertError` names the first tensor with a value that is not a number. A lone infinity may be meant: masks of
    attention layers and the identity of a maximum are stored so."""
    for tensor, values in float_constants(data, model):
        bad = np.isnan(values) if values.size == 1 else ~np.isfinite(values)
        if bad.any():
            raise ConvertError(
                f"The weights of the model are not all numbers: {int(bad.sum())} of {values.size} values of the tensor "
                f"'{tensor.name}' are NaN or infinite.",
                "The training diverged: go back to a checkpoint before it did, or train with a lower learning rate.",
            )


def place_of(buffer: Table) -> tuple[int, int]:
    """(offset, bytes) of a buffer, inside the FlatBuffer or behind it."""
    start, size = buffer.vector(0, 1)
    return (start, size) if size else (buffer.integer(1, "Q"), buffer.integer(2, "Q"))
