"""Golden vectors: inputs and the outputs they must give, computed with the kernel family of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset import fit_samples
from edgeq.interface import Interface
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


def make_golden(model: bytes, interface: Interface, x: NDArray[Any], kernels: str, count: int = COUNT) -> Golden:
    """Golden vectors from up to `count` samples of `x`, evenly spaced. The model has one input."""
    tensor = interface.inputs[0]
    places = np.unique(np.linspace(0, len(x) - 1, count).round().astype(int))
    raw = tensor.quantize(fit_samples(x[places], tensor.name, tensor.shape))
    inputs = [[sample.tobytes()] for sample in raw]
    return Golden(tuple(map(tuple, inputs)), tuple(map(tuple, invoke_all(model, kernels, inputs))))
