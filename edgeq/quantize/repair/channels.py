"""Which channels of a model may be scaled without a change of what it computes, and the scaling.

A factor on one channel of a tensor is undone by the layers that read it: their weights for that channel are divided by
it. ReLU, pools, pads and additions pass a factor on; where anything else touches a tensor, its channels stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.repair.net import ACTIVATIONS, Layer, Net

Factors = NDArray[np.float64]

_PASSING = frozenset(
    {"MAX_POOL_2D", "AVERAGE_POOL_2D", "RELU", "LEAKY_RELU", "PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"}
)
_LARGEST = 1e4
"""Of a factor: beyond it floats begin to suffer."""


@dataclass(frozen=True)
class Family:
    """Tensors whose channels, `size` of them, share their factors; `writers` and `readers` are layers at the ends."""

    size: int
    tensors: tuple[int, ...]
    writers: tuple[Layer, ...]
    readers: tuple[Layer, ...]


def families(net: Net) -> list[Family]:
    """Every family that can be scaled, in the order of its first writer."""
    classes = _Classes(net)
    layers = {layer.place: layer for layer in net.layers}
    for index in (*net.graph.inputs, *net.graph.outputs):
        classes.pin(int(index))
    for place, (name, operator) in enumerate(net.operators()):
        if place in layers:
            _layer(net, classes, layers[place])
        elif not _passes(net, classes, name, operator):
            for index in (*operator.inputs, *operator.outputs):
                classes.pin(int(index))
    found = []
    for root, members in classes.groups().items():
        writers = tuple(layer for layer in net.layers if layer.target in members)
        readers = tuple(layer for layer in net.layers if layer.source in members)
        if writers and readers:
            found.append(Family(net.shape(root)[-1], tuple(sorted(members)), writers, readers))
    return sorted(found, key=lambda family: family.writers[0].place)


def scale(net: Net, family: Family, factors: Factors) -> None:
    """Divide every channel of the family's tensors by its factor."""
    limited = np.clip(factors, 1 / _LARGEST, _LARGEST)
    for layer in family.writers:
        divisor = np.tile(limited, net.shape(layer.weights)[layer.axis] // family.size)
        shape = [1] * len(net.shape(layer.weights))
        shape[layer.axis] = -1
        net.put(layer.weights, net.array(layer.weights) / divisor.reshape(shape))
        if layer.bias >= 0:
            net.put(layer.bias, net.array(layer.bias) / divisor)
    for layer in family.readers:
        net.put(layer.weights, net.array(layer.weights) * _inward(net, layer, limited))


def outward_sizes(net: Net, layer: Layer) -> Factors:
    """The largest magnitude of the weights for each output of a layer."""
    weights = np.moveaxis(np.abs(net.array(layer.weights)), layer.axis, 0)
    return np.asarray(weights.reshape(len(weights), -1).max(axis=1), np.float64)


def inward_sizes(net: Net, layer: Layer, size: int) -> Factors:
    """The largest magnitude of the weights for each of `size` channels that a layer reads."""
    weights = np.abs(net.array(layer.weights))
    if layer.kind == "DEPTHWISE_CONV_2D":
        rows = weights.reshape(-1, size, weights.shape[-1] // size).max(axis=(0, 2))
    else:
        rows = weights.reshape(-1, size).max(axis=0)
    return np.asarray(rows, np.float64)


def _inward(net: Net, layer: Layer, factors: Factors) -> Factors:
    last = net.shape(layer.weights)[-1]
    if layer.kind == "DEPTHWISE_CONV_2D":
        return np.repeat(factors, last // len(factors))
    return np.tile(factors, last // len(factors))


def _layer(net: Net, classes: _Classes, layer: Layer) -> None:
    if layer.activation not in ("NONE", "RELU"):
        classes.pin(layer.target)  # a limit such as that of ReLU6 is no factor
    channels = net.shape(layer.source)[-1]
    last = net.shape(layer.weights)[-1]
    if layer.kind == "FULLY_CONNECTED" and last % channels:
        classes.pin(layer.source)
    if layer.kind == "DEPTHWISE_CONV_2D" and last % channels:
        classes.pin(layer.source)


def _passes(net: Net, classes: _Classes, name: str, operator: Any) -> bool:
    """Join what `operator` reads and writes; False where it does not pass factors on."""
    inputs, output = [int(index) for index in operator.inputs], int(operator.outputs[0])
    options = operator.builtinOptions
    if ACTIVATIONS[getattr(options, "fusedActivationFunction", 0) or 0] not in ("NONE", "RELU"):
        return False
    if name == "ADD":
        if any(net.constant(index) or net.shape(index) != net.shape(output) for index in inputs):
            return False
        for index in inputs:
            classes.join(index, output)
        return True
    source, last = inputs[0], net.shape(inputs[0])[-1:]
    if not last or net.constant(source):
        return False
    same_last = net.shape(output)[-1:] == last
    if name in ("RESHAPE", "SQUEEZE"):
        flattened = not same_last and len(net.shape(output)) == 2 and net.shape(output)[-1] % last[0] == 0
        if same_last or flattened:
            classes.join(source, output)
            return True
        return False
    spatial = name == "MEAN" and same_last and len(net.shape(source)) in (3, 4) and _mean_keeps_channels(net, operator)
    if (name in _PASSING and same_last) or spatial:
        classes.join(source, output)
        return True
    return False


def _mean_keeps_channels(net: Net, operator: Any) -> bool:
    buffer = net.model.buffers[net.graph.tensors[int(operator.inputs[1])].buffer].data
    if buffer is None:
        return False
    rank = len(net.shape(int(operator.inputs[0])))
    axes = {int(axis) % rank for axis in np.frombuffer(bytes(buffer), "<i4")}
    return rank - 1 not in axes


class _Classes:
    """Tensors joined into classes, some of them pinned. The first tensor of a class has its fewest channels."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._parents: dict[int, int] = {}
        self._pinned: set[int] = set()

    def join(self, first: int, second: int) -> None:
        """Their channels share their factors."""
        one, other = self._root(first), self._root(second)
        if one == other:
            return
        small, large = sorted((one, other), key=lambda index: self._net.shape(index)[-1])
        self._parents[large] = small
        if large in self._pinned:
            self._pinned.add(small)
        if self._net.shape(large)[-1] % self._net.shape(small)[-1]:
            self._pinned.add(small)

    def pin(self, index: int) -> None:
        """Its channels stay."""
        if index >= 0:
            self._pinned.add(self._root(index))

    def groups(self) -> dict[int, set[int]]:
        """Root -> members of every class that is not pinned."""
        computed = {int(index) for operator in self._net.graph.operators for index in operator.outputs}
        found: dict[int, set[int]] = {}
        for index in sorted(computed):
            root = self._root(index)
            if root not in self._pinned and self._net.shape(index):
                found.setdefault(root, set()).add(index)
        return found

    def _root(self, index: int) -> int:
        while index in self._parents:
            index = self._parents[index]
        return index
