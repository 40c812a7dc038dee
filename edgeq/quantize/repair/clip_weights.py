"""Clipped weights: a smaller scale for each output, where cutting off the largest weights costs less than coarse steps.

The scale is the one of many that leaves the least mean square error (as OCTAV, Sakr et al., 2022), weighted with how
strong each input is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.quantize.repair.moments import Grid, grids, grouped_scales, repairable
from edgeq.quantize.repair.net import Layer, Net
from edgeq.quantize.repair.patches import grouped
from edgeq.quantize.repair.work import Floats, Work

_SHARES = np.linspace(0.3, 1.0, 29)


def clip_weights(work: Work) -> Work:
    """The sizes that weights are written for, by layer. Layers with one scale for all outputs stay."""
    net = Net(work.model)
    found = grids(net, work.written())
    clipped = dict(work.weights)
    for layer in repairable(net):
        grid = found.get(layer.place)
        if grid is not None:
            clipped[net.name(layer.weights)] = _clipped(net, layer, grid)
    return replace(work, weights=clipped)


def _clipped(net: Net, layer: Layer, grid: Grid) -> Floats:
    """The largest magnitude of each output that is kept."""
    rows = grouped(net, layer, net.array(layer.weights)).astype(np.float64)
    scales = grouped_scales(net, layer, grid.scales).astype(np.float64)
    errors = []
    for share in _SHARES:
        step = scales * share
        errors.append(np.square(grid.near(rows, step) * step - rows).sum(axis=2))
    best = _SHARES[np.argmin(errors, axis=0)]
    return np.asarray((scales[..., 0] * best).ravel() * grid.most, np.float32)
