"""A small float model without TensorFlow, with layers that are large enough for 4-bit weights to save something."""

from __future__ import annotations

import numpy as np
from flat import Op, Tensor, activation, options, padding, write_model
from numpy.typing import NDArray

SHAPE = (6, 6, 2)
CLASSES = 3


def model(seed: int = 11) -> bytes:
    """The `.tflite`: two convolutions and a dense layer, seeded."""
    draw = np.random.default_rng(seed)

    def constant(*shape: int, scale: float) -> Tensor:
        return Tensor(shape, "float32", data=(draw.normal(size=shape) * scale).astype(np.float32))

    made = options("Conv2D", strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1, padding=padding("SAME"))
    made.fusedActivationFunction = activation("RELU")
    first, second = (Tensor((1, *SHAPE[:2], 8), "float32") for _ in range(2))
    given, flat, last = Tensor((1, *SHAPE), "float32"), Tensor((1, 288), "float32"), Tensor((1, CLASSES), "float32")
    shape = Tensor((2,), "int32", data=np.array([1, 288], np.int32))
    ops = [
        Op("CONV_2D", [given, constant(8, 3, 3, 2, scale=0.3), constant(8, scale=0.1)], [first], made),
        Op("CONV_2D", [first, constant(8, 3, 3, 8, scale=0.15), constant(8, scale=0.1)], [second], made),
        Op("RESHAPE", [second, shape], [flat], options("Reshape", newShape=[1, 288])),
        Op(
            "FULLY_CONNECTED",
            [flat, constant(CLASSES, 288, scale=0.1), constant(CLASSES, scale=0.1)],
            [last],
            options("FullyConnected"),
        ),
    ]
    return write_model(ops, [given], [last])


def samples(count: int) -> NDArray[np.float32]:
    """(n, 6, 6, 2), seeded."""
    return np.random.default_rng(3).normal(size=(count, *SHAPE)).astype(np.float32)
