"""MEAN over any axes."""

from __future__ import annotations

import math

import numpy as np

from edgeq.micro.fields import RANK, Scale, Walk, contiguous
from edgeq.micro.graph import Node, Tensor
from edgeq.micro.lower.context import Lowering, require_dtypes, require_scale, unsupported
from edgeq.micro.numbers import INT8, scale_of
from edgeq.micro.records import Mean


def mean(low: Lowering, node: Node) -> None:
    """MEAN; the division by the count goes into the multiplier, as TFLite does it."""
    source, axes, out = low.tensor(node, 0), low.tensor(node, 1), low.result(node)
    require_dtypes(node, (source, out), "int8")
    require_scale(node, (source, out))
    rank = len(source.shape)
    if axes.data is None or not 1 <= rank <= RANK:
        raise unsupported(node, axes, "its axes are computed by the model", "Use constant axes.")
    reduced = {int(axis) % rank for axis in np.asarray(axes.data).reshape(-1)}
    count = math.prod(source.shape[axis] for axis in reduced)
    low.emit(
        Mean(
            low.allocate(out),
            low.view(source),
            _walk(source, [axis for axis in range(rank) if axis not in reduced]),
            _walk(source, sorted(reduced)),
            source.zero_point,
            out.zero_point,
            _divided(scale_of(source.scale / out.scale), count),
            INT8,
        )
    )


def _walk(source: Tensor, axes: list[int]) -> Walk:
    steps = contiguous(source.shape)
    return Walk(tuple(source.shape[axis] for axis in axes), tuple(steps[axis] for axis in axes))


def _divided(scale: Scale, count: int) -> Scale:
    """The scale divided by `count`, with as many bits as fit."""
    bits = min(count.bit_length() - 1, 32, 31 + scale.shift)
    return Scale((scale.mult << bits) // count, scale.shift - bits)
