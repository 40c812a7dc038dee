"""What the first layer makes of the samples, and how far that is from what its batch norm made of the training data."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.calibration.evidence import FirstLayer, Floats, NormFit
from edgeq.calibration.hypotheses import SCALE, Facts, hypotheses
from edgeq.model.info import ModelInfo, Operator
from edgeq.model.norms import Norm
from edgeq.model.objects import pack_tflite, unpack_tflite
from edgeq.quantize.golden import spread
from edgeq.quantize.outputs import Runner
from edgeq.quantize.samples import Samples, each

SAMPLES, TRIED = 200, 48
"""So many samples show what the layer does as they are, and with every change of scale."""
_SUMS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_BATCH_NORM = re.compile(r"batch_?norm|(^|[/_;])bn\d*([/_;]|$)", re.IGNORECASE)
_LIVE = 0.05
"""Channels whose deviation in training was a smaller share of the largest one say little."""
_LEAST = 1e-4
Inputs = list[NDArray[Any]]
Moments = tuple[NDArray[np.float64], NDArray[np.float64]]


def first_sum(info: ModelInfo) -> tuple[int, Operator] | None:
    """The first convolution or dense layer, and its place."""
    operators = enumerate(info.subgraphs[0].operators)
    return next(((number, each) for number, each in operators if each.name in _SUMS), None)


def first_layer(model: bytes, info: ModelInfo, samples: Samples, norm: Norm | None) -> FirstLayer | None:
    """Mean and deviation of its channels, and with `norm` how these fit; None where there is no such layer."""
    found = first_sum(info)
    if found is None:
        return None
    number, operator = found
    runner, place = Runner(_cut(model, number)), operator.outputs[0]
    inputs: list[Inputs] = list(each(samples.choose(range(min(len(samples), SAMPLES))), info.inputs))
    means, deviations = _moments(runner, place, inputs)
    name = info.subgraphs[0].tensors[place].name
    named = bool(_BATCH_NORM.search(name))
    first = FirstLayer(name.split(";")[0], named, means.astype(np.float32), deviations.astype(np.float32))
    if norm is None or len(norm.means) != len(means):
        return first
    return replace(first, fit=_fit(runner, place, inputs, (means, deviations), norm))


def _cut(model: bytes, number: int) -> bytes:
    """The model up to this operator, without the activation that is fused into it."""
    objects = unpack_tflite(model)
    graph = objects.subgraphs[0]
    graph.operators = graph.operators[: number + 1]
    graph.outputs = np.array(graph.operators[-1].outputs, np.int32)
    objects.signatureDefs = None
    options = graph.operators[-1].builtinOptions
    if getattr(options, "fusedActivationFunction", 0):
        options.fusedActivationFunction = 0
    return pack_tflite(objects)


def _moments(runner: Runner, place: int, inputs: list[Inputs]) -> Moments:
    total = square = np.zeros(1)
    count = 0
    for values in inputs:
        runner.run(values)
        out = runner.tensor(place)
        rows = out.reshape(-1, out.shape[-1]).astype(np.float64)
        total, square, count = total + rows.sum(axis=0), square + np.square(rows).sum(axis=0), count + len(rows)
    means = total / max(count, 1)
    return means, np.sqrt(np.maximum(square / max(count, 1) - np.square(means), 0))


def _fit(runner: Runner, place: int, inputs: list[Inputs], found: Moments, norm: Norm) -> NormFit:
    offsets, ratios = _compared(found, norm)
    fit = NormFit(float(np.median(ratios)), float(np.sqrt(np.square(offsets).mean())), distance(found, norm))
    if len(inputs[0]) != 1 or inputs[0][0].dtype != np.float32:
        return fit
    few = [inputs[index][0] for index in spread(len(inputs), TRIED)]
    low, high = min(float(x.min()) for x in few), max(float(x.max()) for x in few)
    for change in hypotheses(Facts(low, high, few[0].shape[1:])):
        if change.kind == SCALE:
            changed = [[np.ascontiguousarray(change.change(x), np.float32)] for x in few]
            left = distance(_moments(runner, place, changed), norm)
            if left < fit.changed:
                fit = replace(fit, title=change.title, changed=left)
    return fit


def distance(found: Moments, norm: Norm) -> float:
    """Root of the mean square over channels: of the mean's offset, in deviations, and of the deviation's logarithm."""
    offsets, ratios = _compared(found, norm)
    return float(np.sqrt((np.square(offsets) + np.square(np.log(np.maximum(ratios, _LEAST)))).mean()))


def _compared(found: Moments, norm: Norm) -> tuple[Floats, Floats]:
    means, deviations = np.array(norm.means), np.array(norm.deviations)
    live = deviations > _LIVE * deviations.max(initial=1e-30)
    scale = np.where(live, deviations, 1)
    offsets, ratios = (found[0] - means) / scale, found[1] / scale
    return np.asarray(offsets[live], np.float32), np.asarray(ratios[live], np.float32)
