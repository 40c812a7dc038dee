"""Bias correction: what a layer's sums are off by on average is taken from its bias, layer after layer.

Nagel et al., 2019 (there without data); here measured on calibration data: the mean inputs of the float and of the
quantized layer, each with its own weights, tell the difference before any activation function.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.quantize.outputs import Runner
from edgeq.quantize.repair.moments import Grid, grids, means, quantized_means, repairable
from edgeq.quantize.repair.net import Layer, Net, replaced
from edgeq.quantize.repair.patches import grouped
from edgeq.quantize.repair.spread import spread
from edgeq.quantize.repair.work import Floats, Work

SAMPLES = 64


def correct_biases(work: Work) -> Work:
    """Other biases for every layer that has one."""
    net = Net(work.model)
    samples = work.samples.choose(spread(len(work.samples), SAMPLES))
    layers = [layer for layer in repairable(net) if layer.bias >= 0]
    wanted = means(net, layers, Runner(work.model), samples)
    for number, layer in enumerate(layers, 1):
        work.progress(f"correcting bias {number} of {len(layers)}")
        quantized = work.written()
        got = quantized_means(net, [layer], quantized, samples).get(layer.place)
        grid = grids(net, quantized).get(layer.place)
        if got is not None and grid is not None:
            stored = Net(replaced(work.model, work.constants))
            lost = _sums(net, layer, net.array(layer.weights), wanted[layer.place]) - _sums(
                net, layer, _stored(net, stored, layer, grid), got
            )
            bias = net.array(layer.bias) + lost
            work = replace(work, constants={**work.constants, net.name(layer.bias): np.asarray(bias, np.float32)})
    return work


def _stored(net: Net, changed: Net, layer: Layer, grid: Grid) -> Floats:
    """The weights as the quantized model has them, as real values in their shape."""
    shape = [1] * len(net.shape(layer.weights))
    shape[layer.axis] = -1
    scales = grid.scales.reshape(shape)
    return np.asarray(grid.near(changed.array(layer.weights), scales) * scales, np.float32)


def _sums(net: Net, layer: Layer, weights: Floats, inputs: Floats) -> Floats:
    """What the layer's mean sums are without its bias: (outputs,)."""
    return np.asarray(np.einsum("grk,gk->gr", grouped(net, layer, weights), inputs).ravel(), np.float32)
