"""What a model says of samples, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.options import Ticker
from edgeq.errors import UsageError
from edgeq.interface import Interface, Tensor
from edgeq.model.objects import pack_tflite, unpack_tflite
from edgeq.model.tflite import read_model
from edgeq.preprocess import Preprocess
from edgeq.quantize.host import MICRO, invoke_all
from edgeq.quantize.outputs import answer
from edgeq.quantize.samples import Given, Samples, as_samples, each

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Variant:
    """One `.tflite` model and what its numbers mean."""

    model: bytes
    interface: Interface

    @cached_property
    def rebuilds(self) -> bool:
        """Whether its output is as its only input is shaped, as an autoencoder's is, and tells no classes apart."""
        one = len(self.interface.inputs) == len(self.interface.outputs) == 1
        shapes = [_extents(tensor) for tensor in (*self.interface.inputs, *self.interface.outputs)]
        if not one or self.interface.labels or not shapes[0] or shapes[0] != shapes[1]:
            return False
        last = read_model(self.model).subgraphs[0].operators[-2:]
        return all(operator.name != "SOFTMAX" for operator in last)


@dataclass(frozen=True)
class Said:
    """What a model said of n samples, as real values: `outputs` (n, m) is its last output, `answers` (n, k) what that
    is made of, before a softmax or sigmoid (the outputs themselves where there is none, None where nobody can see it).
    `errors` (n,), of a model that rebuilds its input, is the mean of squares of what it missed; else None."""

    outputs: Floats
    answers: Floats | None = None
    errors: NDArray[np.float64] | None = None

    def choose(self, places: Sequence[int]) -> Said:
        """What was said of the samples at `places`."""
        at = list(places)
        answers = None if self.answers is None else self.answers[at]
        return Said(self.outputs[at], answers, None if self.errors is None else self.errors[at])


def inputs_of(interface: Interface, samples: Samples) -> Iterator[list[bytes]]:
    """For each sample the raw bytes of every input of the model, in its order."""
    for values in each(samples, interface.inputs):
        yield [tensor.quantize(value).tobytes() for tensor, value in zip(interface.inputs, values, strict=True)]


def predict(variant: Variant, x: Given, kernels: str = "xnnpack") -> Floats:
    """The last output for every sample (see `as_samples`), as real values (n, m)."""
    samples, result = as_samples(x), variant.interface.outputs[-1]
    runs = invoke_all(variant.model, kernels, inputs_of(variant.interface, samples))
    return _real(result, [results[-1] for results in runs])


def ask(variant: Variant, x: Given, kernels: str = "xnnpack", progress: Callable[[str], None] = lambda _: None) -> Said:
    """The same with all that an evaluation looks at, from one inference for each sample."""
    samples, interface = as_samples(x), variant.interface
    model, hidden = (variant.model, None) if kernels == MICRO else _opened(variant.model)
    given: list[NDArray[np.float32]] = []

    def fed() -> Iterator[list[bytes]]:
        ticker = Ticker(progress, "running the model", len(samples))
        for values in each(samples, interface.inputs):
            ticker.tell()
            if variant.rebuilds:
                given.append(np.asarray(values[0], np.float32).ravel())
            yield [tensor.quantize(value).tobytes() for tensor, value in zip(interface.inputs, values, strict=True)]

    found = list(invoke_all(model, kernels, fed()))
    outputs = _real(interface.outputs[-1], [results[len(interface.outputs) - 1] for results in found])
    answers = None if kernels == MICRO else outputs
    if hidden is not None:
        answers = _real(hidden, [results[-1] for results in found])
    errors = None
    if variant.rebuilds:
        errors = np.square(np.stack(given) - outputs, dtype=np.float64).mean(axis=1)
    return Said(outputs, answers, errors)


@dataclass(frozen=True)
class Pair:
    """A float model, None where there is none, and its quantized form on `kernels`; `preprocess` is before both."""

    reference: Variant | None
    quantized: Variant
    kernels: str
    preprocess: Preprocess | None = None
    progress: Callable[[str], None] = lambda _: None

    def ask(self, x: Given) -> tuple[Said | None, Said]:
        """Both on the same samples."""
        before = ask(self.reference, x, progress=self.progress) if self.reference else None
        return before, ask(self.quantized, x, self.kernels, self.progress)


def _real(tensor: Tensor, results: list[bytes]) -> Floats:
    """Raw outputs of one tensor as real values (n, m)."""
    found = tensor.dequantize(np.frombuffer(b"".join(results), tensor.dtype).reshape(len(results), -1))
    return np.asarray(found, np.float32)


def _opened(model: bytes) -> tuple[bytes, Tensor | None]:
    """The model with one output more, what its last output is made of; as it is where that is the output itself, or
    where this machine has no library that rewrites models."""
    info = read_model(model)
    place, graph = answer(info), info.subgraphs[0]
    if place == graph.outputs[-1]:
        return model, None
    try:
        changed = unpack_tflite(model)
    except UsageError:
        return model, None
    changed.subgraphs[0].outputs = [*graph.outputs, place]
    changed.signatureDefs = []
    found = graph.tensors[place]
    scale, zero_point = (found.scales[0], found.zero_points[0]) if found.scales else (0.0, 0)
    return pack_tflite(changed), Tensor(found.name, found.shape, found.dtype, scale, zero_point)


def _extents(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]
