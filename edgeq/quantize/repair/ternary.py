"""Ternary weights, an experiment: a layer's weights become -a, 0 and a, with one a for each output.

Li et al., "Ternary weight networks", 2016. No runtime here has kernels for them: they are stored and run as int8, so
nothing gets faster and only a compressed file gets smaller. The first and the last layer keep their weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgeq.quantize.repair.net import Floats, Net
from edgeq.quantize.repair.work import Work

_THRESHOLD = 0.7
"""Of the mean magnitude: what is smaller becomes 0."""


def ternary(work: Work) -> Work:
    """The weights of all layers but the first and the last with three values for each output."""
    return coarse(work, _three)


def coarse(work: Work, of_rows: Callable[[Floats], Floats]) -> Work:
    """The weights of all layers but the first and the last as `of_rows` makes them from (outputs, weights of one)."""
    net = Net(work.model)
    constants = dict(work.constants)
    for layer in net.layers[1:-1]:
        weights = net.array(layer.weights)
        rows = np.moveaxis(weights, layer.axis, 0)
        made = of_rows(rows.reshape(len(rows), -1)).reshape(rows.shape)
        constants[net.name(layer.weights)] = np.ascontiguousarray(np.moveaxis(made, 0, layer.axis))
    return replace(work, constants=constants)


def _three(rows: Floats) -> Floats:
    sizes = np.abs(rows)
    kept = sizes > _THRESHOLD * sizes.mean(axis=1, keepdims=True)
    size = (sizes * kept).sum(axis=1, keepdims=True) / np.maximum(kept.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.sign(rows) * kept * size, np.float32)
