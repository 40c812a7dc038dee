"""A `.tflite` file as objects that can be changed and packed again; the one module that uses LiteRT's Python schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.model.schema import OPERATORS, TENSOR_TYPES

TYPES = {name: number for number, (name, _) in enumerate(TENSOR_TYPES)}


ALIGNMENT = 16
"""Of the bytes of a buffer, as the schema demands: kernels read vectors from them."""


def unpack_tflite(model: bytes) -> Any:
    """A file as `ModelT` of the schema's generated code. The file's structure must have been verified before."""
    unpacked = _tools().read_model_from_bytearray(bytearray(model))
    for buffer in unpacked.buffers:
        if buffer.size and buffer.offset > 1:  # behind the FlatBuffer, where older runtimes and TFLM do not look
            buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return unpacked


def pack_tflite(model: Any) -> bytes:
    """The reverse of `unpack_tflite`, all within the FlatBuffer, without what buffers hold that nothing refers to any
    more."""
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or ()}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None
    builder = _Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """The schema's Python code does not know that bytes of a buffer are aligned."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
        return super().StartVector(elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment)


def symmetric(scales: NDArray[Any], axis: int) -> Any:
    """Quantization parameters of a tensor: these scales along `axis`, zero points 0."""
    parameters = _tools().schema_fb.QuantizationParametersT()
    parameters.scale, parameters.zeroPoint = np.asarray(scales, np.float32), np.zeros(len(scales), np.int64)
    parameters.quantizedDimension = axis
    return parameters


def name_of(tensor: Any) -> str:
    """The name of a tensor, as `TensorInfo` has it."""
    return bytes(tensor.name or b"").decode("utf-8", "replace")


def operator_name(model: Any, operator: Any) -> str:
    """As in the schema."""
    code = model.operatorCodes[operator.opcodeIndex]
    number: int = max(code.builtinCode, code.deprecatedBuiltinCode)
    return OPERATORS[number]


def float_constants(model: Any, graph: Any) -> Iterator[tuple[int, Any]]:
    """Place and tensor of every float32 constant."""
    for index, tensor in enumerate(graph.tensors):
        if tensor.type == TYPES["float32"] and model.buffers[tensor.buffer].data is not None:
            yield index, tensor


def values(model: Any, tensor: Any) -> NDArray[np.float32]:
    """The values of a float32 constant, flat and read-only; none for a tensor that is computed."""
    data = model.buffers[tensor.buffer].data
    return np.frombuffer(b"" if data is None or tensor.type != TYPES["float32"] else bytes(data), "<f4")


def store(model: Any, tensor: Any, data: NDArray[Any], dtype: str = "float32") -> None:
    """Give `tensor` a buffer of its own with `data`: others may share the one that it had."""
    buffer = type(model.buffers[tensor.buffer])()
    buffer.data = np.frombuffer(data.tobytes(), np.uint8)
    tensor.buffer, tensor.type = len(model.buffers), TYPES[dtype]
    model.buffers.append(buffer)


def _tools() -> Any:
    try:
        from ai_edge_litert.tools import flatbuffer_utils
    except ImportError as error:
        raise UsageError("Quantizing a model needs ai-edge-litert.", "pip install 'edgeq[convert]'") from error
    return flatbuffer_utils
