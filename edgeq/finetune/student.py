"""The network that is trained: the float graph, computing as its integer form will, differentiable all the same.

Weights go through a straight-through estimator: 8 bits with the step that the writer will choose (the largest of each
channel / 127), 4 bits with one that is learned (LSQ, Esser et al. 2020). Every activation is rounded to 8 bits behind
its fused activation, within ranges that follow what training sees. What is trained is not a weight but its share of the
largest in its channel, so that a channel of small weights learns as fast as one of large ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.finetune.graph import Graph, channels
from edgeq.finetune.operators import run
from edgeq.finetune.scales import MOVES, fixed, groups, least_error_scales
from edgeq.quantize.engine.ranges import Range
from edgeq.quantize.engine.writer import WeightRanges, modes
from edgeq.quantize.recipe import Recipe, weight_bits

Floats = NDArray[np.float32]

FOUR_BITS = frozenset({"CONV_2D", "FULLY_CONNECTED"})
"""Operators that have a form with 4-bit weights."""
LEVELS = {8: 127, 4: 7}
MOMENTUM = 0.99
"""How much of a range stays when the next batch is seen."""


@dataclass(frozen=True)
class Learned:
    """What training made: `values` of weights (on their grid) and biases by tensor, `steps` of the weights by tensor,
    `ranges` of the first tensor of each group."""

    values: Mapping[int, Floats]
    steps: Mapping[int, Floats]
    ranges: Mapping[int, Range]


def bits_of(graph: Graph, recipe: Recipe) -> dict[int, int]:
    """Weights' tensor -> how many bits they have by `recipe`; of two users the finer."""
    found: dict[int, int] = {}
    held = graph.weights()
    for node, mode in zip(graph.nodes, modes(graph.info, recipe), strict=True):
        bits = weight_bits(mode) if node.name in FOUR_BITS else max(8, weight_bits(mode))
        for index in node.inputs:
            if index in held:
                found[index] = max(bits, found.get(index, 0))
    return found


class Student:
    """Variables and the functions over them; `trainable` is what an optimizer moves."""

    def __init__(self, tf: Any, graph: Graph, ranges: Mapping[int, Range], bits: Mapping[int, int]) -> None:
        self._tf, self._graph, self._bits = tf, graph, dict(bits)
        self._groups, self._fixed = groups(graph), set(fixed(graph))
        self._fixed_groups = {self._groups[index] for index in self._fixed if index in self._groups}
        self._axes, self._given = (
            graph.weights(),
            {self._groups[index] for index in graph.inputs if index in self._groups},
        )
        self._units = {
            index: np.maximum(channels(graph.constants[index], axis), 1e-9) for index, axis in self._axes.items()
        }
        self._shares = {index: tf.Variable(graph.constants[index] / unit) for index, unit in self._units.items()}
        self._bias_units = {index: self._bias_unit(index, ranges) for index in graph.biases()}
        self._bias_shares = {
            index: tf.Variable(graph.constants[index] / unit) for index, unit in self._bias_units.items()
        }
        self._first_steps = {
            index: least_error_scales(graph.constants[index], self._axes[index], LEVELS[4])
            for index, count in self._bits.items()
            if count == 4
        }
        self._step_shares = {index: tf.Variable(np.zeros_like(step)) for index, step in self._first_steps.items()}
        self._lows = {first: tf.Variable(np.float32(each.low)) for first, each in ranges.items()}
        self._highs = {first: tf.Variable(np.float32(each.high)) for first, each in ranges.items()}

    @property
    def trainable(self) -> list[Any]:
        return [*self._shares.values(), *self._bias_shares.values(), *self._step_shares.values()]

    @property
    def state(self) -> list[Any]:
        """All variables, to be kept and put back."""
        return [*self.trainable, *self._lows.values(), *self._highs.values()]

    def forward(self, inputs: Sequence[Any], wanted: Sequence[int], follow: Any = None) -> list[Any]:
        """The tensors `wanted`; where `follow` is a number, each range keeps that share of itself and takes the rest
        from this batch."""
        tensors = dict(zip(self._graph.inputs, inputs, strict=True))
        for index in self._graph.inputs:
            tensors[index] = self._rounded(index, tensors[index], None)
        for node in self._graph.nodes:
            made = run(self._tf, self._graph, node, [self._operand(tensors, index) for index in node.inputs])
            for index, value in zip(node.outputs, made, strict=True):
                moved = node.name in MOVES
                tensors[index] = value if moved else self._rounded(index, value, follow)
        return [tensors[index] for index in wanted]

    def learned(self) -> Learned:
        """What the writer needs."""
        values: dict[int, Floats] = {}
        steps: dict[int, Floats] = {}
        for index in self._shares:
            steps[index] = np.asarray(self._step(index), np.float32)
            values[index] = np.asarray(self._weights(index), np.float32)
        for index, share in self._bias_shares.items():
            values[index] = np.asarray(share.numpy() * self._bias_units[index], np.float32)
        ranges = {
            first: Range(float(self._lows[first].numpy()), float(self._highs[first].numpy())) for first in self._lows
        }
        return Learned(values, steps, ranges)

    def _operand(self, tensors: Mapping[int, Any], index: int) -> Any:
        if index < 0:
            return None
        if index in self._shares:
            return self._weights(index)
        if index in self._bias_shares:
            return self._bias_shares[index] * self._bias_units[index]
        if index in self._graph.constants:
            return self._constant(index)
        return tensors[index]

    def _constant(self, index: int) -> Any:
        """A constant that is no weight, as an integer of 8 bits would have it."""
        value = self._graph.constants[index]
        if index not in self._graph.floats or not value.size or not value.any():
            return self._tf.constant(value)
        return self._tf.quantization.fake_quant_with_min_max_args(
            value, min=min(0.0, float(value.min())), max=max(0.0, float(value.max()))
        )

    def _weights(self, index: int) -> Any:
        tf, levels = self._tf, LEVELS[self._bits[index]]
        value = self._shares[index] * self._units[index]
        step = self._step(index)
        scaled = tf.clip_by_value(value / step, -levels, levels)
        return (scaled + tf.stop_gradient(tf.round(scaled) - scaled)) * step

    def _step(self, index: int) -> Any:
        tf, bits = self._tf, self._bits[index]
        if bits == 4:
            return self._first_steps[index] * tf.exp(self._step_shares[index])
        value = tf.stop_gradient(self._shares[index])
        others = [place for place in range(len(value.shape)) if place != self._axes[index]]
        largest = tf.reduce_max(tf.abs(value), axis=others, keepdims=True)
        return tf.maximum(largest, 1e-9) * self._units[index] / LEVELS[8]

    def _rounded(self, index: int, value: Any, follow: Any) -> Any:
        first = self._groups.get(index)
        if first is None:
            return value
        low, high = self._lows[first], self._highs[first]
        if follow is not None and first not in self._fixed_groups and first not in self._given:
            tf = self._tf
            low.assign(follow * low + (1 - follow) * tf.minimum(tf.reduce_min(value), 0.0))
            high.assign(follow * high + (1 - follow) * tf.maximum(tf.reduce_max(value), 1e-6))
        return self._tf.quantization.fake_quant_with_min_max_vars(value, low, high)

    def _bias_unit(self, index: int, ranges: Mapping[int, Range]) -> np.float32:
        """How far biases move at once: by shares of what their operator's result reaches."""
        maker = next(node for node in self._graph.nodes if index in node.inputs)
        each = ranges[self._groups[maker.outputs[0]]]
        return np.float32(max(each.high - each.low, 1e-6) / 4)


def teacher(tf: Any, graph: Graph, inputs: Sequence[Any], wanted: Sequence[int]) -> list[Any]:
    """The tensors `wanted` of the float graph itself."""
    tensors = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        given = [_plain(tf, graph, tensors, index) for index in node.inputs]
        tensors.update(zip(node.outputs, run(tf, graph, node, given), strict=True))
    return [tensors[index] for index in wanted]


def _plain(tf: Any, graph: Graph, tensors: Mapping[int, Any], index: int) -> Any:
    if index < 0:
        return None
    return tf.constant(graph.constants[index]) if index in graph.constants else tensors[index]


def weight_ranges(graph: Graph, learned: Learned, bits: Mapping[int, int]) -> WeightRanges:
    """For each of the weights the largest magnitude that its integers reach, by name, as the writer takes it."""
    return {graph.names[index]: (step * LEVELS[bits[index]]).ravel() for index, step in learned.steps.items()}
