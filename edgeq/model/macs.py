"""Multiply-accumulates of one operator, from the shapes of its inputs and outputs.

Only operators whose work is a product with weights or a matrix count; element-wise ones count 0, as is usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

Shape = tuple[int, ...]


class Work(NamedTuple):
    """The shapes of one operator's tensors; `transposed_x`: the first factor of a matrix product is transposed."""

    inputs: Sequence[Shape]
    outputs: Sequence[Shape]
    transposed_x: bool = False


def operator_macs(name: str, work: Work) -> int:
    """Multiply-accumulates of operator `name`; 0 where its shapes are not those of its kind."""
    rule = _RULES.get(name)
    if rule is None or not work.outputs:
        return 0
    try:
        return rule(work)
    except (IndexError, ZeroDivisionError):
        return 0


def _convolution(work: Work) -> int:
    """Weights [out channels, height, width, in channels of one group]."""
    return math.prod(work.outputs[0]) * math.prod(work.inputs[1][1:])


def _depthwise(work: Work) -> int:
    """Weights [1, height, width, out channels]."""
    return math.prod(work.outputs[0]) * work.inputs[1][1] * work.inputs[1][2]


def _fully_connected(work: Work) -> int:
    """Weights [out features, in features]."""
    return math.prod(work.outputs[0]) * work.inputs[1][-1]


def _transposed_convolution(work: Work) -> int:
    """Inputs: output shape, weights [out channels, height, width, in channels], data."""
    return math.prod(work.inputs[2]) * math.prod(work.inputs[1]) // work.inputs[1][-1]


def _convolution_3d(work: Work) -> int:
    """Weights [depth, height, width, in channels, out channels]."""
    return math.prod(work.outputs[0]) * math.prod(work.inputs[1][:-1])


def _transposed_convolution_3d(work: Work) -> int:
    """Inputs: output shape, weights [depth, height, width, out channels, in channels], data."""
    return math.prod(work.inputs[2]) * math.prod(work.inputs[1][:-1])


def _matrix_product(work: Work) -> int:
    return math.prod(work.outputs[0]) * work.inputs[0][-2 if work.transposed_x else -1]


def _sequence(work: Work) -> int:
    """Data [batch, time, features], the first two in either order; every matrix is used at each step."""
    matrices = (shape for shape in work.inputs[1:] if len(shape) == 2)
    return math.prod(work.inputs[0][:2]) * sum(map(math.prod, matrices))


def _svdf(work: Work) -> int:
    """Data [batch, features], weights of features and of time."""
    return work.inputs[0][0] * (math.prod(work.inputs[1]) + math.prod(work.inputs[2]))


_RULES: dict[str, Callable[[Work], int]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transposed_convolution,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transposed_convolution_3d,
    "BATCH_MATMUL": _matrix_product,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _sequence,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _sequence,
    "SVDF": _svdf,
}
