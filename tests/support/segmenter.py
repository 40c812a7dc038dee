"""A small model that tells the class of every pixel, as floats or as int8, and pictures with their masks."""

from __future__ import annotations

from typing import Any

import flat
import numpy as np
from numpy.typing import NDArray

SCALES = {"input": 1 / 128, "output": 1 / 64}


def segmenter(side: int, classes: int, quantized: bool) -> bytes:
    """Pictures (side, side, 3) from -1 to 1 -> (side, side, classes): a convolution of one pixel, seeded."""
    random = np.random.default_rng(1)
    values, none = random.uniform(-0.5, 0.5, (classes, 1, 1, 3)).astype(np.float32), np.zeros(classes, np.float32)
    weights, bias = flat.Tensor(values.shape, "float32", data=values), flat.Tensor((classes,), "float32", data=none)
    kinds: list[tuple[Any, ...]] = [("float32", (), 0)] * 2
    if quantized:
        scale = float(np.abs(values).max() / 127)
        weights = flat.Tensor(values.shape, "int8", (scale,), data=np.rint(values / scale).astype(np.int8))
        bias = flat.Tensor((classes,), "int32", (scale * SCALES["input"],), data=none.astype(np.int32))
        kinds = [("int8", (scale,), 0) for scale in SCALES.values()]
    shapes = [(1, side, side, 3), (1, side, side, classes)]
    x, out = (flat.Tensor(shape, *kind) for shape, kind in zip(shapes, kinds, strict=True))
    steps = dict.fromkeys(("strideH", "strideW", "dilationHFactor", "dilationWFactor"), 1)
    return flat.write_model(
        [flat.Op("CONV_2D", [x, weights, bias], [out], flat.options("Conv2D", **steps))], [x], [out]
    )


def pictures(count: int, side: int) -> NDArray[np.float32]:
    """(count, side, side, 3) from -1 to 1, seeded."""
    return np.random.default_rng(5).uniform(-1, 1, (count, side, side, 3)).astype(np.float32)
