"""Activation equalization: the channels of a tensor reach equally far, so that its one scale suits them all.

The idea of Xiao et al., "SmoothQuant", 2023, for convolutions. What the model computes does not change.
"""

from __future__ import annotations

import numpy as np

from edgeq.quantize.engine.statistics import Statistics
from edgeq.quantize.repair.channels import Factors, Family, families, inward_sizes, scale
from edgeq.quantize.repair.equalize import balanced
from edgeq.quantize.repair.net import Net


def equalize_activations(model: bytes, statistics: Statistics) -> bytes:
    """The float `model`, scaled by what its channels reached in `statistics`. Depthwise layers have a scale for each
    channel, so what only they read is equalized fully; else the weights that read it take half."""
    net = Net(model)
    for family in families(net):
        reached = _reached(net, family, statistics)
        if reached is None:
            continue
        if all(layer.kind == "DEPTHWISE_CONV_2D" for layer in family.readers):
            factors = np.where(reached > 0, reached, 1.0)
        else:
            read = np.max([inward_sizes(net, layer, family.size) for layer in family.readers], axis=0)
            factors = balanced(reached, read)
        alive = reached > 0
        if alive.any():
            factors = np.where(alive, factors / np.exp(np.log(factors[alive]).mean()), 1.0)
            scale(net, family, factors)
    return net.pack()


def _reached(net: Net, family: Family, statistics: Statistics) -> Factors | None:
    rows = []
    for index in family.tensors:
        seen = statistics.tensors.get(net.name(index))
        if seen is not None:
            far = np.maximum(-seen.channel_lows, seen.channel_highs).astype(np.float64)
            rows.append(np.maximum(far.reshape(-1, family.size).max(axis=0), 0.0))
    return np.asarray(np.max(rows, axis=0)) if rows else None
