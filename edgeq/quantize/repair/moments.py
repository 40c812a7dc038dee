"""What layers read, in first and second moments: in the float model and in a quantized one, on the same samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.model.tflite import read_model
from edgeq.quantize.outputs import Runner
from edgeq.quantize.repair.net import Layer, Net
from edgeq.quantize.repair.patches import KINDS, patches
from edgeq.quantize.samples import Samples, each

Floats = NDArray[np.float32]

MOST_INPUTS = 2560
"""Of one output: a layer with more has no second moments here, they would take too long."""


@dataclass(frozen=True)
class Moments:
    """Of a layer's inputs in a quantized model, over `count` places of all samples: `gram` (groups, inputs, inputs) are
    the products of its inputs with each other, `cross` with those of the float model."""

    gram: Floats
    cross: Floats
    count: int


def repairable(net: Net) -> list[Layer]:
    """Layers that moments exist for."""
    return [layer for layer in net.layers if layer.kind in KINDS]


def fits(net: Net, layer: Layer) -> bool:
    """Whether a layer is small enough for second moments."""
    shape = net.shape(layer.weights)
    inputs = shape[1] * shape[2] if layer.kind == "DEPTHWISE_CONV_2D" else int(np.prod(shape[1:]))
    return inputs <= MOST_INPUTS


def second(net: Net, layer: Layer, float_model: Runner, quantized: Runner, samples: Samples) -> Moments | None:
    """The moments of one layer; None where the quantized model has no such tensor."""
    place = _places(quantized, net, [layer]).get(layer.place)
    if place is None:
        return None
    gram: Floats | None = None
    cross: Floats | None = None
    count = 0
    for values in each(samples, float_model.info.inputs):
        float_model.run(values)
        quantized.run(values)
        wanted = patches(net, layer, float_model.tensor(layer.source))
        got = patches(net, layer, quantized.tensor(place).reshape(net.shape(layer.source)))
        turned = got.transpose(0, 2, 1)
        one, other = turned @ got, turned @ wanted
        gram = one if gram is None else gram + one
        cross = other if cross is None else cross + other
        count += got.shape[1]
    assert gram is not None and cross is not None
    return Moments(gram, cross, count)


def means(
    net: Net, layers: Iterable[Layer], runner: Runner, samples: Samples, places: Mapping[int, int] | None = None
) -> dict[int, Floats]:
    """(groups, inputs) for each layer, by its place: the mean of what it multiplies its weights with."""
    chosen = list(layers)
    found = dict(places) if places is not None else {layer.place: layer.source for layer in chosen}
    sums: dict[int, NDArray[np.float64]] = {}
    for values in each(samples, runner.info.inputs):
        runner.run(values)
        for layer in chosen:
            if layer.place in found:
                source = runner.tensor(found[layer.place]).reshape(net.shape(layer.source))
                mean = patches(net, layer, source).mean(axis=1, dtype=np.float64)
                sums[layer.place] = sums.get(layer.place, 0.0) + mean
    return {place: np.asarray(total / len(samples), np.float32) for place, total in sums.items()}


def quantized_means(net: Net, layers: list[Layer], quantized: bytes, samples: Samples) -> dict[int, Floats]:
    """`means` in a quantized model, for layers whose input it has under the same name."""
    runner = Runner(quantized)
    return means(net, layers, runner, samples, _places(runner, net, layers))


def _places(quantized: Runner, net: Net, layers: list[Layer]) -> dict[int, int]:
    """For each layer the tensor that its operator reads in the quantized model: the one whose result has its name."""
    graph = quantized.info.subgraphs[0]
    readers = {graph.tensors[index].name: operator for operator in graph.operators for index in operator.outputs}
    found = {}
    for layer in layers:
        operator = readers.get(net.name(layer.target))
        if operator is not None and operator.name == layer.kind:
            found[layer.place] = operator.inputs[0]
    return found


@dataclass(frozen=True)
class Grid:
    """How a quantized model stores a layer's weights: `scales` (outputs,), whole numbers from `least` to `most`."""

    scales: Floats
    least: int
    most: int

    def near(self, rows: NDArray[np.floating], scales: NDArray[np.floating]) -> NDArray[np.float64]:
        """The nearest whole numbers, for scales that broadcast to `rows`."""
        return np.clip(np.rint(rows / scales), self.least, self.most)


def grids(net: Net, quantized: bytes) -> dict[int, Grid]:
    """The grid of every layer that has one, by its place."""
    graph = read_model(quantized).subgraphs[0]
    stored = {tensor.name: tensor for tensor in graph.tensors if tensor.data_bytes and tensor.scales}
    found = {}
    for layer in net.layers:
        tensor = stored.get(net.name(layer.weights))
        if tensor is not None and tensor.dtype in ("int8", "int4"):
            outputs = net.shape(layer.weights)[layer.axis]
            scales = np.broadcast_to(np.array(tensor.scales, np.float32), (outputs,)).copy()
            # The writer leaves out the lowest of 8 bits, as kernels want it, and uses that of 4 bits.
            found[layer.place] = Grid(scales, *((-127, 127) if tensor.dtype == "int8" else (-8, 7)))
    return found


def grouped_scales(net: Net, layer: Layer, scales: Floats) -> Floats:
    """Scales (outputs,) as (groups, outputs of a group, 1)."""
    if layer.kind != "DEPTHWISE_CONV_2D":
        return np.asarray(scales.reshape(1, -1, 1))
    return np.asarray(scales.reshape(net.shape(layer.source)[-1], -1, 1))
