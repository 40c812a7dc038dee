"""What a model says of samples, on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.options import Ticker
from edgeq.dataset.spool import room
from edgeq.errors import UsageError
from edgeq.interface import Array, Interface, Tensor
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

    @property
    def size(self) -> int:
        """How many values the last output has."""
        return math.prod(self.interface.outputs[-1].shape[1:])

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
        at: list[int] | slice = list(places)
        if places and at == list(range(places[0], places[-1] + 1)):
            at = slice(places[0], places[-1] + 1)  # of neighbours nothing is copied
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
    outputs = _Answers(result, len(samples))
    for results in runs:
        outputs.add(results[-1])
    return outputs.rows


def ask(variant: Variant, x: Given, kernels: str = "xnnpack", progress: Callable[[str], None] = lambda _: None) -> Said:
    """The same with all that an evaluation looks at, from one inference for each sample."""
    samples, interface = as_samples(x), variant.interface
    model, hidden = (variant.model, None) if kernels == MICRO else _opened(variant.model)
    outputs = _Answers(interface.outputs[-1], len(samples))
    answers = None if hidden is None else _Answers(hidden, len(samples))
    given: list[NDArray[np.float32]] = []
    errors: list[float] = []

    def fed() -> Iterator[list[bytes]]:
        ticker = Ticker(progress, "running the model", len(samples))
        for values in each(samples, interface.inputs):
            ticker.tell()
            given[:] = [np.asarray(values[0], np.float32).ravel()]
            yield [tensor.quantize(value).tobytes() for tensor, value in zip(interface.inputs, values, strict=True)]

    for results in invoke_all(model, kernels, fed()):
        row = outputs.add(results[len(interface.outputs) - 1])
        if answers is not None:
            answers.add(results[-1])
        if variant.rebuilds:
            errors.append(float(np.square(given[0] - row, dtype=np.float64).mean()))
    seen = outputs.rows if answers is None else answers.rows
    return Said(outputs.rows, None if kernels == MICRO else seen, np.array(errors) if variant.rebuilds else None)


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


class _Answers:
    """The real values of one tensor, a row for each sample: what is large lies in a file and not in memory."""

    def __init__(self, tensor: Tensor, count: int) -> None:
        self._tensor, self._count, self._done = tensor, count, 0
        self.rows: Floats = np.zeros((count, 0), np.float32)

    def add(self, raw: bytes) -> Array:
        """The next row, from the raw bytes of the tensor."""
        values = self._tensor.dequantize(np.frombuffer(raw, self._tensor.dtype))
        if not self._done:
            self.rows = room((self._count, values.size), np.float32, "what the model says of the data")
        self.rows[self._done] = values
        self._done += 1
        return values


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
