"""Variants of a float `.tflite` that only store their weights smaller: float16, and int8 for integer kernels.

The conventions are those of TensorFlow's converter, so that the same kernels run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.objects import (
    TYPES,
    float_constants,
    operator_name,
    pack_tflite,
    store,
    symmetric,
    unpack_tflite,
    values,
)
from edgeq.model.schema import OPERATORS
from edgeq.quantize.detect import LEAST_ELEMENTS, WEIGHTED

_LARGEST_F16 = float(np.finfo(np.float16).max)


def float16(model: bytes) -> bytes:
    """Constants of float32 as float16, each with a DEQUANTIZE before its users. Values beyond float16 are clipped."""
    unpacked = unpack_tflite(model)
    for graph in unpacked.subgraphs:
        casts = []
        for index, tensor in float_constants(unpacked, graph):
            half = np.clip(values(unpacked, tensor), -_LARGEST_F16, _LARGEST_F16).astype("<f2")
            replaced = len(graph.tensors)
            graph.tensors.append(_restored(tensor))
            _replace(graph, index, replaced)
            store(unpacked, tensor, half, "float16")
            casts.append(_dequantize(unpacked, index, replaced))
        graph.operators = [*casts, *graph.operators]
    return pack_tflite(unpacked)


def dynamic(model: bytes, *, per_channel: bool) -> bytes:
    """Weights of `LEAST_ELEMENTS` or more as symmetric int8; activations stay float32 and are quantized as they run."""
    unpacked = unpack_tflite(model)
    for graph in unpacked.subgraphs:
        for index, axis in sorted(_quantizable(unpacked, graph).items()):
            tensor = graph.tensors[index]
            real = values(unpacked, tensor).reshape(tensor.shape)
            scales = _scales(real, axis if per_channel else None)
            shape = [1] * real.ndim
            shape[axis] = len(scales) if per_channel else 1
            steps = np.clip(np.rint(real / scales.reshape(shape)), -127, 127).astype(np.int8)
            store(unpacked, tensor, steps, "int8")
            tensor.quantization = symmetric(scales, axis if per_channel else 0)
    return pack_tflite(unpacked)


def _scales(values: NDArray[Any], axis: int | None) -> NDArray[np.float32]:
    """Largest magnitude / 127, of all values or along `axis`; 1 where all are zero."""
    others = tuple(place for place in range(values.ndim) if place != axis) if axis is not None else None
    largest = np.atleast_1d(np.abs(values).max(axis=others))
    scales: NDArray[np.float32] = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return scales


def _quantizable(model: Any, graph: Any) -> dict[int, int]:
    """Tensor -> the axis of its output channels, for float constants that are nothing but weights."""
    constants = dict(float_constants(model, graph))
    found: dict[int, int] = {}
    others: set[int] = set()
    for operator in graph.operators:
        place, axis = WEIGHTED.get(operator_name(model, operator), (-1, 0))
        for position, index in enumerate(operator.inputs):
            if position == place and index in constants and np.prod(constants[index].shape) >= LEAST_ELEMENTS:
                found[int(index)] = axis
            else:
                others.add(int(index))
    return {index: axis for index, axis in found.items() if index not in others}


def _restored(tensor: Any) -> Any:
    """The float32 tensor that a DEQUANTIZE of `tensor` writes."""
    copy = type(tensor)()
    copy.shape, copy.name, copy.buffer, copy.type = tensor.shape, tensor.name + b"_f32", 0, TYPES["float32"]
    return copy


def _replace(graph: Any, old: int, new: int) -> None:
    for operator in graph.operators:
        operator.inputs = np.where(np.asarray(operator.inputs, np.int32) == old, new, operator.inputs).astype(np.int32)


def _dequantize(model: Any, source: int, target: int) -> Any:
    number = OPERATORS.index("DEQUANTIZE")
    places = [
        place
        for place, code in enumerate(model.operatorCodes)
        if max(code.builtinCode, code.deprecatedBuiltinCode) == number
    ]
    if not places:
        code = type(model.operatorCodes[0])()
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.version = 3
        model.operatorCodes.append(code)
        places = [len(model.operatorCodes) - 1]
    operator = type(model.subgraphs[0].operators[0])()
    operator.opcodeIndex = places[0]
    operator.inputs, operator.outputs = np.array([source], np.int32), np.array([target], np.int32)
    return operator
