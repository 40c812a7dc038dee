"""MEAN, SUM, REDUCE_MAX and REDUCE_MIN over any axes."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np

from edgeq.micro.fields import RANK, Scale, View, Walk, contiguous
from edgeq.micro.graph import Node, Tensor
from edgeq.micro.lower.context import Lowering, require_dtypes, require_same_scale, require_scale, unsupported
from edgeq.micro.lower.extremes import inverted, largest
from edgeq.micro.numbers import INT8, scale_of
from edgeq.micro.records import Mean

MAX_REDUCED = 1 << 23
"""Values whose sum fits 32 bits."""


def mean(low: Lowering, node: Node) -> None:
    """MEAN; the division by the count goes into the multiplier, as TFLite does it."""
    source, out, reduced = _reduction(low, node)
    _average(low, source, out, reduced, math.prod(source.shape[axis] for axis in reduced))


def total(low: Lowering, node: Node) -> None:
    """SUM: a mean that divides by one."""
    source, out, reduced = _reduction(low, node)
    _average(low, source, out, reduced, 1)


def _reduction(low: Lowering, node: Node) -> tuple[Tensor, Tensor, list[int]]:
    """Input, result and the axes that go."""
    source, axes, out = low.tensor(node, 0), low.tensor(node, 1), low.result(node)
    require_dtypes(node, (source, out), "int8")
    require_scale(node, (source, out))
    rank = len(source.shape)
    if axes.data is None:
        raise unsupported(node, axes, "its axes are computed by the model", "Use constant axes.")
    if not 1 <= rank <= RANK:
        raise unsupported(node, source, f"it has {rank} axes", f"Use 1 to {RANK}.")
    reduced = sorted({int(axis) % rank for axis in np.asarray(axes.data).reshape(-1)})
    if out.elements != math.prod(size for axis, size in enumerate(source.shape) if axis not in reduced):
        raise unsupported(node, out, f"its shape is not {source.shape} without {reduced}", "Convert the model again.")
    if math.prod(source.shape[axis] for axis in reduced) > MAX_REDUCED:
        raise unsupported(node, source, f"it takes more than {MAX_REDUCED} values together", "Use smaller tensors.")
    return source, out, reduced


def _average(low: Lowering, source: Tensor, out: Tensor, reduced: list[int], count: int) -> None:
    rank = len(source.shape)
    low.emit(
        Mean(
            low.allocate(out),
            low.view(source),
            _walk(source, [axis for axis in range(rank) if axis not in reduced]),
            _walk(source, reduced),
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


def reduce_max(low: Lowering, node: Node) -> None:
    """REDUCE_MAX: pools."""
    source, out, reduced = _reduction(low, node)
    require_same_scale(node, source, out)
    _extreme(low, node, low.view(source), low.allocate(out), reduced)


def reduce_min(low: Lowering, node: Node) -> None:
    """REDUCE_MIN: what REDUCE_MAX is between two inversions."""
    source, out, reduced = _reduction(low, node)
    require_same_scale(node, source, out)
    place = low.allocate(out)
    turned = inverted(low, low.view(source), low.memory(f"{source.name} inverted", source.elements), source.elements)
    found = _extreme(low, node, turned, low.memory(f"{out.name} inverted", out.elements), reduced)
    inverted(low, found, place, out.elements)


def _extreme(low: Lowering, node: Node, view: View, place: View, reduced: list[int]) -> View:
    """One pool for each run of axes that go, the innermost first; the last one writes to `place`."""
    source = low.tensor(node, 0)
    axes = [(size, axis in reduced) for axis, size in enumerate(source.shape) if size > 1]
    runs = [(gone, math.prod(size for size, _ in run)) for gone, run in groupby(axes, key=lambda axis: axis[1])]
    runs = runs if any(gone for gone, _ in runs) else [*runs, (True, 1)]
    sizes, pooled = [size for _, size in runs], [at for at, (gone, _) in enumerate(runs) if gone]
    for at in reversed(pooled):
        outer, inner = math.prod(sizes[:at]), math.prod(sizes[at + 1 :])
        into = place if at == pooled[0] else low.memory(f"{source.name} part", outer * inner)
        largest(low, node, view, into, (outer, sizes[at], inner))
        sizes[at], view = 1, into
    return place
