"""Cross-layer equalization: the weights of consecutive layers share their sizes channel by channel.

Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019. What the model computes
does not change.
"""

from __future__ import annotations

import numpy as np

from edgeq.quantize.repair.channels import Factors, Family, families, inward_sizes, outward_sizes, scale
from edgeq.quantize.repair.net import Net

_ROUNDS = 20
_SETTLED = 1e-3


def equalize(model: bytes) -> bytes:
    """The float `model` with its channels scaled so that what a channel's writers and readers weigh is alike."""
    net = Net(model)
    found = families(net)
    for _ in range(_ROUNDS):
        moved = 0.0
        for family in found:
            factors = _factors(net, family)
            scale(net, family, factors)
            moved = max(moved, float(np.abs(np.log(factors)).max()))
        if moved < _SETTLED:
            break
    return net.pack()


def _factors(net: Net, family: Family) -> Factors:
    written = np.max([_folded(outward_sizes(net, layer), family.size) for layer in family.writers], axis=0)
    read = np.max([inward_sizes(net, layer, family.size) for layer in family.readers], axis=0)
    return balanced(written, read)


def _folded(sizes: Factors, size: int) -> Factors:
    return np.asarray(sizes.reshape(-1, size).max(axis=0))


def balanced(first: Factors, second: Factors) -> Factors:
    """sqrt(first / second), 1 for channels that are dead on either side."""
    alive = (first > 0) & (second > 0)
    factors = np.ones(len(first))
    factors[alive] = np.sqrt(first[alive] / second[alive])
    return factors
