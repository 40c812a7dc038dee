"""Which tensors share their scale in an integer model, and which have one that their operator prescribes.

As LiteRT's int8 kernels demand it, and as the writer (`edgeq.quantize.engine.writer`) gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError
from edgeq.finetune.graph import Graph
from edgeq.quantize.engine.ranges import Range, Ranges

LIKE_INPUT = frozenset(
    (
        *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "PAD", "MIRROR_PAD"),
        *("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "MAX_POOL_2D", "AVERAGE_POOL_2D", "REDUCE_MIN", "REDUCE_MAX"),
        *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    )
)
"""Their result has the scale of what they read."""
LIKE_OUTPUT = frozenset(("CONCATENATION", "MAXIMUM", "MINIMUM", "PADV2"))
"""What they read has the scale of their result."""
MOVES = LIKE_INPUT - {"AVERAGE_POOL_2D", "RESIZE_BILINEAR"}
"""They compute nothing new, so nothing is rounded again."""
FIXED = {"SOFTMAX": Range(0.0, 255 / 256), "LOGISTIC": Range(0.0, 255 / 256), "TANH": Range(-1.0, 127 / 128)}
"""What their kernels write, whatever the data."""


def groups(graph: Graph) -> dict[int, int]:
    """Tensor -> the first tensor of those that share its scale, for every computed or given float tensor."""
    parent = {index: index for index in _live(graph)}

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for node in graph.nodes:
        if node.name in LIKE_INPUT | LIKE_OUTPUT:
            same = sorted({root(index) for index in (*graph.computed(node), *node.outputs) if index in parent})
            parent.update(dict.fromkeys(same, same[0]) if same else {})
    return {index: root(index) for index in parent}


def fixed(graph: Graph) -> dict[int, Range]:
    """Tensor -> the range that its operator prescribes."""
    return {index: FIXED[node.name] for node in graph.nodes if node.name in FIXED for index in node.outputs}


def shared_ranges(graph: Graph, ranges: Ranges) -> dict[int, Range]:
    """For the first tensor of each group the range that holds those of all its tensors; 0 lies in each.

    `ConvertError` where a tensor has no range.
    """
    found: dict[int, Range] = {}
    prescribed = fixed(graph)
    for index, first in groups(graph).items():
        each = prescribed.get(index) or ranges.get(graph.names[index])
        if each is None:
            raise ConvertError(
                f"The tensor '{graph.names[index]}' has no range: the runtime does not show it.",
                "Quantize this model after training (edgeq build).",
            )
        before = found.get(first, Range(0.0, 0.0))
        found[first] = Range(min(before.low, each.low), max(before.high, each.high))
    return found


def named_ranges(graph: Graph, ranges: Mapping[int, Range]) -> dict[str, Range]:
    """The range of every tensor, by name; `ranges` has one for the first of each group."""
    return {graph.names[index]: ranges[first] for index, first in groups(graph).items()}


def least_error_scales(values: NDArray[np.float32], axis: int, levels: int) -> NDArray[np.float32]:
    """For each channel the step that leaves the least mean square error with integers from -`levels` to `levels`."""
    rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).astype(np.float64)
    largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12)
    best, error = largest / levels, np.full((len(rows), 1), np.inf)
    for share in np.linspace(1.0, 0.4, 61):
        step = largest * share / levels
        left = np.square(np.clip(np.rint(rows / step), -levels, levels) * step - rows).sum(axis=1, keepdims=True)
        best, error = np.where(left < error, step, best), np.minimum(left, error)
    shape = [1] * values.ndim
    shape[axis] = len(rows)
    return np.asarray(best.reshape(shape), np.float32)


def _live(graph: Graph) -> Iterable[int]:
    made = [index for node in graph.nodes for index in node.outputs]
    return [index for index in (*graph.inputs, *made) if index in graph.floats and index not in graph.constants]
