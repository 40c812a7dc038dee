"""Writes a model whose ranges and weights training has settled, and proves that its weights are those of training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError, UsageError
from edgeq.model.objects import unpack_tflite
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.ranges import Range
from edgeq.quantize.engine.writer import WeightRanges
from edgeq.quantize.trained import Trained

OFF_GRID = 1e-3
"""In steps: how far a weight of the written model may be from what training saw."""
_HINT = "Build the float model that 'edgeq finetune' left beside them."


def given_ranges(model: bytes, trained: Trained) -> tuple[dict[str, Range], WeightRanges]:
    """What the writer takes for the float `model`. `UsageError` where the ranges are those of another model."""
    names = {tensor.name for tensor in read_model(model).subgraphs[0].tensors}
    ranges = {name: Range(low, high) for name, low, high in trained.ranges}
    weights = {name: np.array(values, np.float32) for name, values in trained.weights}
    strange = sorted((ranges.keys() | weights.keys()) - names)
    if strange:
        raise UsageError(
            f"The trained ranges are not of this model: it has no tensor '{strange[0]}' ({len(strange)} of "
            f"{len(ranges) + len(weights)} are unknown).",
            _HINT,
        )
    return ranges, weights


def check_weights(float_model: bytes, quantized: bytes) -> None:
    """`ConvertError` naming the first weights of `quantized` that are not those of `float_model`."""
    wanted = _stored(float_model)
    for name, (integers, scales) in _integers(quantized).items():
        if name not in wanted:
            continue
        apart = float(np.abs(integers - wanted[name] / scales).max())
        if apart > OFF_GRID:
            raise ConvertError(
                f"The weights '{name}' are up to {apart:.3g} steps from the grid that training left them on.", _HINT
            )


def _stored(model: bytes) -> dict[str, NDArray[np.float32]]:
    info, objects = read_model(model).subgraphs[0], unpack_tflite(model)
    return {
        facts.name: np.frombuffer(bytes(objects.buffers[tensor.buffer].data), "<f4").reshape(facts.shape)
        for facts, tensor in zip(info.tensors, objects.subgraphs[0].tensors, strict=True)
        if facts.data_bytes and facts.dtype == "float32"
    }


def _integers(model: bytes) -> dict[str, tuple[NDArray[np.int8], NDArray[np.float32]]]:
    """Name -> integers and scales, shaped alike, of every symmetric int8 or int4 constant."""
    info, objects = read_model(model).subgraphs[0], unpack_tflite(model)
    found = {}
    for facts, tensor in zip(info.tensors, objects.subgraphs[0].tensors, strict=True):
        if facts.data_bytes and facts.dtype in ("int8", "int4") and facts.scales and not any(facts.zero_points):
            data = np.frombuffer(bytes(objects.buffers[tensor.buffer].data), np.int8)
            integers = _unpacked(data, facts.elements) if facts.dtype == "int4" else data
            shape = [1] * len(facts.shape)
            if len(facts.scales) > 1:
                shape[facts.axis] = len(facts.scales)
            scales = np.array(facts.scales, np.float32).reshape(shape)
            found[facts.name] = integers.reshape(facts.shape), scales
    return found


def _unpacked(data: NDArray[np.int8], count: int) -> NDArray[np.int8]:
    """Two 4-bit integers of each byte, the lower bits first."""
    both = np.stack([np.left_shift(data, 4) >> 4, data >> 4], axis=1).ravel()
    return np.asarray(both[:count], np.int8)
