"""Golden vectors: inputs and the outputs they must give, computed with the kernel family of the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset import fit_samples
from edgeq.errors import UsageError
from edgeq.interface import Interface, Tensor
from edgeq.protocol import cbor
from edgeq.quantize.host import invoke_all

COUNT = 8


@dataclass(frozen=True)
class Golden:
    """Raw little-endian tensor bytes: per vector one item per input, and one per output, in interface order."""

    inputs: tuple[tuple[bytes, ...], ...]
    outputs: tuple[tuple[bytes, ...], ...]

    def encode(self) -> bytes:
        """The member `golden.cbor` of a bundle."""
        return cbor.dumps(
            {"inputs": [list(item) for item in self.inputs], "outputs": [list(item) for item in self.outputs]}
        )


def make_golden(model: bytes, inputs: Sequence[Sequence[bytes]], kernels: str) -> Golden:
    """The outputs that `model` gives for each of `inputs`, in this order, from its first state on."""
    outputs = tuple(map(tuple, invoke_all(model, kernels, [list(item) for item in inputs])))
    return Golden(tuple(map(tuple, inputs)), outputs)


def from_samples(interface: Interface, x: NDArray[Any], count: int = COUNT) -> list[list[bytes]]:
    """Raw inputs from up to `count` samples of `x`, evenly spaced. The model has one input."""
    tensor = interface.inputs[0]
    if len(interface.inputs) > 1:
        raise UsageError(
            f"The model has {len(interface.inputs)} inputs, and representative samples are given for one.",
            "Quantize it yourself and build from the int8 .tflite without --data.",
        )
    places = np.unique(np.linspace(0, len(x) - 1, count).round().astype(int))
    raw = tensor.quantize(fit_samples(x[places], tensor.name, tensor.shape))
    return [[sample.tobytes()] for sample in raw]


def from_seed(interface: Interface, count: int = COUNT, seed: int = 0) -> list[list[bytes]]:
    """Raw inputs drawn evenly from all values of each integer input, and normally distributed for a float one."""
    draw = np.random.default_rng(seed)
    return [[_drawn(draw, tensor) for tensor in interface.inputs] for _ in range(count)]


def _drawn(draw: np.random.Generator, tensor: Tensor) -> bytes:
    if tensor.dtype == "float32":
        return draw.standard_normal(tensor.shape).astype("<f4").tobytes()
    info = np.iinfo(tensor.dtype)
    return draw.integers(info.min, info.max, tensor.shape, dtype=tensor.dtype, endpoint=True).tobytes()
