"""Golden vectors: inputs and the outputs they must give, computed with the kernel family of the target."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeq.evaluate.predict import inputs_of
from edgeq.interface import Interface, Tensor
from edgeq.preprocess import Raw
from edgeq.preprocess.wire import encode_raw
from edgeq.protocol import cbor
from edgeq.quantize.host import invoke_all
from edgeq.quantize.samples import Given, as_samples, each

COUNT = 8


@dataclass(frozen=True)
class Golden:
    """Raw little-endian tensor bytes: per vector one item per input, and one per output, in interface order.

    Behind them, in one sequence, come the vectors from raw inputs: `raws` with an item of `raw_outputs` for each.
    `input_sha256` tells the first input whatever it was quantized to; a bench feeds that one.
    """

    inputs: tuple[tuple[bytes, ...], ...]
    outputs: tuple[tuple[bytes, ...], ...]
    raws: tuple[Raw, ...] = ()
    raw_outputs: tuple[tuple[bytes, ...], ...] = ()
    input_sha256: str = ""

    def without_raws(self) -> Golden:
        """Those from the model's own input."""
        return replace(self, raws=(), raw_outputs=())

    def encode(self) -> bytes:
        """The member `golden.cbor` of a bundle."""
        document: dict[str, Any] = {
            "inputs": [list(item) for item in self.inputs],
            "outputs": [list(item) for item in self.outputs],
        }
        if self.raws:
            pairs = zip(self.raws, self.raw_outputs, strict=True)
            document["raw"] = [{**encode_raw(raw), "outputs": list(outputs)} for raw, outputs in pairs]
        return cbor.dumps(document)


def make_golden(
    model: bytes,
    inputs: Sequence[Sequence[bytes]],
    kernels: str,
    raws: Sequence[tuple[Raw, Sequence[bytes]]] = (),
    input_sha256: str = "",
) -> Golden:
    """The outputs that `model` gives for each of `inputs`, in this order, from its first state on; `raws` follow, each
    with the inputs that are made of it."""
    every = [list(item) for item in (*inputs, *(item for _, item in raws))]
    outputs = tuple(map(tuple, invoke_all(model, kernels, every)))
    count = len(inputs)
    given = tuple(map(tuple, inputs))
    return Golden(given, outputs[:count], tuple(raw for raw, _ in raws), outputs[count:], input_sha256)


def from_samples(interface: Interface, x: Given, count: int = COUNT) -> list[list[bytes]]:
    """Raw inputs from up to `count` samples (see `as_samples`), evenly spaced."""
    samples = as_samples(x)
    return list(inputs_of(interface, samples.choose(spread(len(samples), count))))


def first_sha256(interface: Interface, x: Given | None) -> str:
    """The SHA-256 of what `from_samples` takes first, as real values; without samples of what `from_seed` draws by."""
    if x is None:
        return hashlib.sha256(b"from_seed 0").hexdigest()
    found = hashlib.sha256()
    for value in next(each(as_samples(x).choose([0]), interface.inputs)):
        found.update(str(value.shape).encode() + np.ascontiguousarray(value, "<f8").tobytes())
    return found.hexdigest()


def spread(size: int, count: int) -> list[int]:
    """Up to `count` of `size` places, evenly spaced."""
    places: list[int] = np.unique(np.linspace(0, size - 1, count).round().astype(int)).tolist()
    return places


def from_seed(interface: Interface, count: int = COUNT, seed: int = 0) -> list[list[bytes]]:
    """Raw inputs drawn evenly from all values of each integer input; normally distributed for a float one, and 0 or 1
    for int32 without a scale: an index, whose range the file does not tell."""
    draw = np.random.default_rng(seed)
    return [[_drawn(draw, tensor) for tensor in interface.inputs] for _ in range(count)]


def _drawn(draw: np.random.Generator, tensor: Tensor) -> bytes:
    if tensor.dtype == "float32":
        return draw.standard_normal(tensor.shape).astype("<f4").tobytes()
    if tensor.scale == 0 and tensor.dtype == "int32":
        return draw.integers(0, 2, tensor.shape, dtype=tensor.dtype).tobytes()
    info = np.iinfo(tensor.dtype)
    return draw.integers(info.min, info.max, tensor.shape, dtype=tensor.dtype, endpoint=True).tobytes()
