"""MAXIMUM and MINIMUM, by the table and pooling kernels: a pool over two operands that lie behind each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from edgeq.micro import luts
from edgeq.micro.fields import View, Window, contiguous
from edgeq.micro.graph import Node, Tensor
from edgeq.micro.lower.context import Lowering, require_dtypes, require_same_scale, require_scale, unsupported
from edgeq.micro.lower.elementwise import broadcast
from edgeq.micro.numbers import INT8
from edgeq.micro.records import Copy, Lut, MaxPool

MAX_SIZE = 65535
"""Of a side of a window: 16 bits."""


def maximum(low: Lowering, node: Node) -> None:
    """MAXIMUM with broadcasting; of a constant number a table."""
    _extreme(low, node, max)


def minimum(low: Lowering, node: Node) -> None:
    """MINIMUM with broadcasting; of a constant number a table."""
    _extreme(low, node, min)


def _extreme(low: Lowering, node: Node, which: Callable[[int, int], int]) -> None:
    a, b, out = low.tensor(node, 0), low.tensor(node, 1), low.result(node)
    require_dtypes(node, (a, b, out), "int8")
    require_scale(node, (a, b, out))
    for tensor in (a, b):
        require_same_scale(node, tensor, out)
    for source, number in ((a, b), (b, a)):
        if number.data is not None and number.elements == 1 and source.shape == out.shape:
            bounded = partial(which, int(np.asarray(number.data).reshape(-1)[0]))
            table = low.constant(luts.table(bounded), f"{node.op} table")
            low.emit(Lut(low.allocate(out), low.view(source), out.elements, table))
            return
    place, count = low.allocate(out), out.elements
    pair = _pair(low, node, a, b, out)
    if which is max:
        largest(low, node, pair, place, (1, 2, count))
        return
    found = low.memory(f"{out.name} inverted", count)
    largest(low, node, inverted(low, pair, low.memory(f"{out.name} pair", 2 * count), 2 * count), found, (1, 2, count))
    inverted(low, found, place, count)


def _pair(low: Lowering, node: Node, a: Tensor, b: Tensor, out: Tensor) -> View:
    """Both operands in the shape of the result, one behind the other."""
    pair = low.memory(f"{out.name} operands", 2 * out.elements)
    dims, a_step, b_step = broadcast(node, a, b, out)
    for at, (tensor, steps) in enumerate(((a, a_step), (b, b_step))):
        low.emit(Copy(pair.at(at * out.elements), low.view(tensor), 1, dims, steps, contiguous(dims)))
    return pair


def inverted(low: Lowering, view: View, place: View, count: int) -> View:
    """Every value x becomes -1 - x, so that the largest is the smallest; `place`."""
    low.emit(Lut(place, view, count, low.constant(luts.table(lambda x: -1 - x), "inversion")))
    return place


def largest(low: Lowering, node: Node, view: View, place: View, sizes: tuple[int, int, int]) -> None:
    """The maximum over the middle one of three axes."""
    outer, middle, inner = sizes
    channels = next(size for size in range(min(inner, MAX_SIZE), 0, -1) if inner % size == 0)
    columns = inner // channels
    if max(outer, middle, columns) > MAX_SIZE:
        raise unsupported(node, low.result(node), f"a size exceeds {MAX_SIZE}", "Use smaller tensors.")
    win = Window(outer, middle, columns, channels, 1, columns, channels, middle, 1, 1, 1)
    low.emit(MaxPool(place, view, win, INT8))
