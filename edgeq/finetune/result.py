"""What training leaves: a float `.tflite` whose weights lie on their grid, and the ranges that go with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError, UsageError
from edgeq.model.objects import pack_tflite, store, unpack_tflite
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.ranges import Range, Ranges
from edgeq.quantize.engine.writer import WeightRanges, write
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.verify import check_mode

SCHEMA = 1
OFF_GRID = 1e-3
"""In steps: how far a weight of the written model may be from what training saw."""


@dataclass(frozen=True)
class OnGrid:
    """A float model, the range of each of its tensors, and the largest magnitude of each channel of its weights."""

    model: bytes
    ranges: Ranges
    weights: WeightRanges

    def write(self, recipe: Recipe) -> bytes:
        """The quantized model, held to `recipe` and to the weights that training saw. `ConvertError` otherwise."""
        made = write(self.model, recipe, self.ranges, self.weights)
        check_mode(read_model(made), recipe)
        check_weights(self.model, made)
        return made


def with_values(model: bytes, values: Mapping[int, NDArray[np.float32]]) -> bytes:
    """`model` with other constants, by place."""
    unpacked = unpack_tflite(model)
    for index, value in values.items():
        store(unpacked, unpacked.subgraphs[0].tensors[index], np.asarray(value, "<f4"))
    return pack_tflite(unpacked)


def check_weights(float_model: bytes, quantized: bytes) -> None:
    """`ConvertError` naming the first weights of `quantized` that are not those of `float_model`."""
    wanted = _stored(float_model)
    for name, (integers, scales) in _integers(quantized).items():
        if name not in wanted:
            continue
        apart = float(np.abs(integers - wanted[name] / scales).max())
        if apart > OFF_GRID:
            raise ConvertError(
                f"The written model's weights '{name}' are up to {apart:.3g} steps from those that were trained.",
                "This is a fault of edgeq or of its writer: please report it with the model.",
            )


def to_document(found: OnGrid) -> dict[str, Any]:
    """As `ranges.json` holds it."""
    return {
        "schema": SCHEMA,
        "ranges": {name: [each.low, each.high] for name, each in sorted(found.ranges.items())},
        "weights": {name: [float(value) for value in values] for name, values in sorted(found.weights.items())},
    }


def read_ranges(path: Path) -> tuple[Ranges, WeightRanges]:
    """What `to_document` wrote. `UsageError` for a file that is not such a one."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        ranges = {name: Range(float(low), float(high)) for name, (low, high) in told["ranges"].items()}
        weights = {name: np.array(values, np.float32) for name, values in told["weights"].items()}
        if told["schema"] != SCHEMA:
            raise ValueError("another schema")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The ranges '{path}' cannot be read: {error}.", "Name a ranges.json that 'edgeq finetune' wrote."
        ) from error
    return ranges, weights


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
