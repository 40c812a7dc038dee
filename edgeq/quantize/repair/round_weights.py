"""Rounding for what a layer computes, not for each weight: layer by layer, on calibration data.

Each weight becomes the whole number that, together with all others, leaves the least error of the layer's sums, given
what the quantized layers before it hand over. The method is GPTQ's (Frantar et al., 2022), followed by coordinate
descent. Rounding up or down as AdaRound (Nagel et al., 2020) learns it is
a special case; nothing is trained here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.outputs import Runner
from edgeq.quantize.repair.moments import Grid, Moments, fits, grids, grouped_scales, repairable, second
from edgeq.quantize.repair.net import Layer, Net
from edgeq.quantize.repair.patches import grouped, ungrouped
from edgeq.quantize.repair.spread import spread
from edgeq.quantize.repair.work import Floats, Work

Doubles = NDArray[np.float64]

SAMPLES = 64
_DAMPING = 0.01
"""Of the mean of the moments' diagonal: what few samples do not tell must not be believed."""
_SWEEPS = 4
_BELIEF, _DOUBT = 0.5, 20.0
"""How far weights of 4 bits make up for what the layers before have lost: of the way to the least error on the
calibration data, and less with few samples. All the way fits the data's noise; with 8 bits any of it does harm
(measured on kws: 32 dB become 31)."""


def round_weights(work: Work) -> Work:
    """The weights of every layer on the grid that they are written for."""
    net = Net(work.model)
    samples = work.samples.choose(spread(len(work.samples), SAMPLES))
    float_model = Runner(work.model)
    layers = [layer for layer in repairable(net) if fits(net, layer)]
    for number, layer in enumerate(layers, 1):
        work.progress(f"rounding layer {number} of {len(layers)}")
        quantized = work.written()
        grid = grids(net, quantized).get(layer.place)
        moments = second(net, layer, float_model, Runner(quantized), samples) if grid is not None else None
        if grid is not None and moments is not None:
            name = net.name(layer.weights)
            belief = _BELIEF * len(work.samples) / (len(work.samples) + _DOUBT) if grid.most < 127 else 0.0
            constants = {**work.constants, name: _rounded(net, layer, grid, moments, belief)}
            # Without its largest weight a row would get another scale.
            largest = grid.scales * grid.most
            work = replace(work, constants=constants, weights={**work.weights, name: largest})
    return work


def _rounded(net: Net, layer: Layer, grid: Grid, moments: Moments, belief: float) -> Floats:
    """The layer's weights, each a multiple of its scale."""
    rows = grouped(net, layer, net.array(layer.weights)).astype(np.float64)
    scales = grouped_scales(net, layer, grid.scales).astype(np.float64)
    gram = moments.gram.astype(np.float64) / moments.count
    cross = moments.cross.astype(np.float64) / moments.count
    inputs = gram.shape[-1]
    damping = _DAMPING * np.trace(gram, axis1=1, axis2=2)[:, None, None] / inputs + 1e-12
    matrix = gram + damping * np.eye(inputs)
    goal = rows
    if belief:
        best = np.linalg.solve(matrix, (cross + damping * np.eye(inputs)) @ rows.transpose(0, 2, 1))
        goal = rows + belief * (best.transpose(0, 2, 1) - rows)
    steps = _improved(goal / scales, _carried(goal / scales, matrix, grid), matrix, grid)
    return ungrouped(net, layer, np.asarray(steps * scales, np.float32))


def _carried(goal: Doubles, matrix: Doubles, grid: Grid) -> Doubles:
    """Round input after input; what one loses, those to come make up for."""
    order = np.argsort(-np.diagonal(matrix, axis1=1, axis2=2).mean(axis=0), kind="stable")
    inverse = np.linalg.inv(matrix[:, order][:, :, order])
    factor = np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2).transpose(0, 2, 1)
    left, steps = goal[:, :, order].copy(), np.empty_like(goal)
    for place, column in enumerate(order):
        now = np.clip(np.rint(left[:, :, place]), grid.least, grid.most)
        steps[:, :, column] = now
        lost = (left[:, :, place] - now) / factor[:, place, place][:, None]
        left[:, :, place:] -= lost[:, :, None] * factor[:, None, place, place:]
    return steps


def _improved(goal: Doubles, steps: Doubles, matrix: Doubles, grid: Grid) -> Doubles:
    """Change one whole number of each row at a time as long as that leaves less error."""
    slopes = (goal - steps) @ matrix
    for _ in range(_SWEEPS):
        changed = False
        for column in range(goal.shape[2]):
            wanted = np.rint(slopes[:, :, column] / matrix[:, column, column][:, None])
            now = np.clip(steps[:, :, column] + wanted, grid.least, grid.most)
            change = now - steps[:, :, column]
            if change.any():
                changed = True
                steps[:, :, column] = now
                slopes -= change[:, :, None] * matrix[:, None, column, :]
        if not changed:
            break
    return steps
