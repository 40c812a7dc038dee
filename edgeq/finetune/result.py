"""What training leaves: a float `.tflite` whose weights lie on their grid, and the ranges that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeq.model.objects import pack_tflite, store, unpack_tflite
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.engine.ranges import Ranges
from edgeq.quantize.engine.writer import WeightRanges
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.trained import Trained
from edgeq.quantize.verify import check_mode


@dataclass(frozen=True)
class OnGrid:
    """A float model, the range of each of its tensors, and the largest magnitude of each channel of its weights."""

    model: bytes
    ranges: Ranges
    weights: WeightRanges

    @property
    def trained(self) -> Trained:
        """The ranges, as a recipe holds them."""
        return Trained.of(
            {name: (each.low, each.high) for name, each in self.ranges.items()},
            {name: values.tolist() for name, values in self.weights.items()},
        )

    def write(self, recipe: Recipe) -> bytes:
        """The quantized model, made as `edgeq build` makes it, held to `recipe` and to the weights that training saw.
        `ConvertError` otherwise."""
        made = quantize(self.model, None, replace(recipe, trained=self.trained))
        check_mode(read_model(made), recipe)
        return made


def with_values(model: bytes, values: Mapping[int, NDArray[np.float32]]) -> bytes:
    """`model` with other constants, by place."""
    unpacked = unpack_tflite(model)
    for index, value in values.items():
        store(unpacked, unpacked.subgraphs[0].tensors[index], np.asarray(value, "<f4"))
    return pack_tflite(unpacked)
