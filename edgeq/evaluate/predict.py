"""What a model says of samples, on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.interface import Interface
from edgeq.quantize.host import invoke_all
from edgeq.quantize.samples import Given, Samples, as_samples, each


@dataclass(frozen=True)
class Variant:
    """One `.tflite` model and what its numbers mean."""

    model: bytes
    interface: Interface


def inputs_of(interface: Interface, samples: Samples) -> Iterator[list[bytes]]:
    """For each sample the raw bytes of every input of the model, in its order."""
    for values in each(samples, interface.inputs):
        yield [tensor.quantize(value).tobytes() for tensor, value in zip(interface.inputs, values, strict=True)]


def predict(variant: Variant, x: Given, kernels: str = "xnnpack") -> NDArray[np.float32]:
    """The last output for every sample (see `as_samples`), as real values (n, m)."""
    samples, result = as_samples(x), variant.interface.outputs[-1]
    runs = invoke_all(variant.model, kernels, inputs_of(variant.interface, samples))
    outputs = b"".join(results[-1] for results in runs)
    return result.dequantize(np.frombuffer(outputs, result.dtype).reshape(len(samples), -1))
