"""Random float networks of the operators that repairs know, and one that always has the same layers."""

from __future__ import annotations

import numpy as np
from flat import Op, Tensor, activation, options, padding, write_model
from numpy.typing import NDArray

from edgeq.quantize.outputs import Runner
from edgeq.quantize.samples import as_samples

Floats = NDArray[np.float32]
SHAPE = (8, 8, 3)


class FloatNet:
    """Layers one after the other; `imbalance` is the sigma of a log-normal factor on each channel between two."""

    def __init__(self, seed: int, kinds: str, act: str = "RELU", imbalance: float = 0.0) -> None:
        self.rng, self.act, self.imbalance = np.random.default_rng(seed), act, imbalance
        self.ops: list[Op] = []
        self.last = self.input = Tensor((1, *SHAPE), "float32")
        self.factors: Floats | None = None
        for kind in kinds:
            getattr(self, _KINDS[kind])()
        self.dense()
        self.model = write_model(self.ops, [self.input], [self.last])

    def conv(self) -> None:
        outputs, size = int(self.rng.integers(3, 8)), int(self.rng.integers(1, 4))
        weights = self.weights((outputs, size, size, self.last.shape[-1]))
        self.layer("CONV_2D", weights, 0, (*self.last.shape[:3], outputs), options("Conv2D", **self.steps(), padding=0))

    def depthwise(self) -> None:
        channels, each = self.last.shape[-1], int(self.rng.integers(1, 3))
        weights = self.weights((1, 3, 3, channels * each), each)
        made = options("DepthwiseConv2D", **self.steps(), depthMultiplier=each, padding=padding("SAME"))
        self.layer("DEPTHWISE_CONV_2D", weights, 3, (*self.last.shape[:3], channels * each), made)

    def pool(self) -> None:
        _, height, width, channels = self.last.shape
        if height < 2:
            return
        name = self.rng.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"])
        made = options("Pool2D", strideH=2, strideW=2, filterHeight=2, filterWidth=2, padding=padding("VALID"))
        self.join(str(name), [self.last], (1, height // 2, width // 2, channels), made)

    def pad(self) -> None:
        _, height, width, channels = self.last.shape
        around = Tensor((4, 2), "int32", data=np.array([[0, 0], [1, 0], [0, 1], [0, 0]], np.int32))
        self.join("PAD", [self.last, around], (1, height + 1, width + 1, channels), options("Pad"))

    def residual(self) -> None:
        """x + a convolution of x, then ReLU: the channels of both have the same factors."""
        before, kept = self.last, self.factors
        channels = before.shape[-1]
        weights = self.weights((channels, 1, 1, channels))
        self.factors = kept
        made = options("Conv2D", **self.steps(), padding=0, fusedActivationFunction=activation("NONE"))
        target = Tensor(before.shape, "float32")
        if kept is not None:
            weights = (weights * kept[:, None, None, None]).astype(np.float32)
        self.ops.append(
            Op("CONV_2D", [before, _constant(weights), _constant(self.bias(channels, kept))], [target], made)
        )
        self.join("ADD", [before, target], before.shape, options("Add", fusedActivationFunction=activation("RELU")))

    def dense(self) -> None:
        size = int(np.prod(self.last.shape))
        flat = Tensor((1, size), "float32")
        shape = Tensor((2,), "int32", data=np.array([1, size], np.int32))
        self.ops.append(Op("RESHAPE", [self.last, shape], [flat], options("Reshape", newShape=[1, size])))
        weights = self.rng.normal(size=(4, size)) / np.sqrt(size)
        if self.factors is not None:
            weights /= np.tile(self.factors, size // len(self.factors))
        self.last = Tensor((1, 4), "float32")
        inputs = [flat, _constant(weights), _constant(self.bias(4, None))]
        self.ops.append(Op("FULLY_CONNECTED", inputs, [self.last], options("FullyConnected")))

    def weights(self, shape: tuple[int, ...], each: int = 0) -> Floats:
        """Undo the factors on what is read."""
        inward = shape[1] * shape[2] * (1 if each else shape[3])
        drawn = self.rng.normal(size=shape) / np.sqrt(inward)
        if self.factors is not None:
            drawn /= np.repeat(self.factors, each) if each else self.factors
        return np.asarray(drawn, np.float32)

    def layer(self, name: str, weights: Floats, axis: int, shape: tuple[int, ...], made: object) -> None:
        """Put new factors on what is written."""
        outputs = weights.shape[axis]
        self.factors = None
        if self.imbalance:
            self.factors = np.exp(self.rng.normal(0, self.imbalance, outputs)).astype(np.float32)
            turned = [1] * weights.ndim
            turned[axis] = -1
            weights = weights * self.factors.reshape(turned)
        made.fusedActivationFunction = activation(self.act)  # type: ignore[attr-defined]
        self.join(name, [self.last, _constant(weights), _constant(self.bias(outputs, self.factors))], shape, made)

    def join(self, name: str, inputs: list[Tensor], shape: tuple[int, ...], made: object) -> None:
        target = Tensor(shape, "float32")
        self.ops.append(Op(name, inputs, [target], made))
        self.last = target

    def bias(self, count: int, factors: Floats | None) -> Floats:
        drawn = self.rng.normal(size=count) * 0.1
        return np.asarray(drawn if factors is None else drawn * factors, np.float32)

    @staticmethod
    def steps() -> dict[str, int]:
        return {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


_KINDS = {"c": "conv", "d": "depthwise", "p": "pool", "z": "pad", "r": "residual"}


def samples(count: int = 12, seed: int = 5) -> Floats:
    """(n, 8, 8, 3)."""
    return np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)


def answers(model: bytes, x: Floats | None = None) -> Floats:
    """(n, 4)."""
    return Runner(model).answers(as_samples(samples() if x is None else x))


def _constant(data: NDArray[np.floating]) -> Tensor:
    return Tensor(data.shape, "float32", data=np.asarray(data, np.float32))
