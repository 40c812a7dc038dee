"""Operators whose result has, along each axis, some positions of the input: slices, gathers, tiles, mirrors, and
pictures enlarged by repeating pixels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.micro.fields import RANK, contiguous
from edgeq.micro.graph import Node, Tensor
from edgeq.micro.lower.context import Lowering, unsupported
from edgeq.micro.lower.shape import constant_input, copy, move

MAX_COPIES = 256
MAX_SIDE = 1 << 20

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Run:
    """Positions of one axis as a walk from `first`, which fills an axis of the result from `at` on."""

    first: int
    at: int
    dims: tuple[int, ...]
    steps: tuple[int, ...]


def slice_(low: Lowering, node: Node) -> None:
    """SLICE with constant begin and size; -1 is the rest."""
    source = low.tensor(node, 0)
    begins, sizes = (constant_input(low, node, position) for position in (1, 2))
    if not len(begins) == len(sizes) == len(source.shape):
        raise unsupported(node, source, "its begin and size do not fit", "Convert the model again.")
    ends = [side if size == -1 else begin + size for side, begin, size in zip(source.shape, begins, sizes, strict=True)]
    pick_parts(low, node, source, list(zip(begins, ends, strict=True)))


def pick_parts(low: Lowering, node: Node, source: Tensor, bounds: Sequence[tuple[int, int]]) -> None:
    """The result has of each axis what lies from the first bound to before the second."""
    _pick(low, node, source, [_from(first, last - first) for first, last in bounds])


def gather(low: Lowering, node: Node) -> None:
    """GATHER of constant positions along one axis."""
    source = low.tensor(node, 0)
    axis = node.option("axis") % max(len(source.shape), 1)
    if node.option("batch_dims"):
        raise unsupported(node, source, "it has batch dimensions", "Gather with one list of positions.")
    positions = _all(source)
    positions[axis] = np.array(constant_input(low, node, 1), np.int64)
    _pick(low, node, source, positions)


def tile(low: Lowering, node: Node) -> None:
    """TILE: how often is known from the shapes."""
    source, out = low.tensor(node, 0), low.result(node)
    if len(source.shape) != len(out.shape) or any(
        side == 0 or size % side for side, size in zip(source.shape, out.shape, strict=True)
    ):
        raise unsupported(node, out, f"{source.shape} does not fit into it", "Convert the model again.")
    _pick(low, node, source, [_from(0, size) % side for side, size in zip(source.shape, out.shape, strict=True)])


def broadcast_to(low: Lowering, node: Node) -> None:
    """BROADCAST_TO: a side of 1 is repeated."""
    source, out = low.tensor(node, 0), low.result(node)
    sides = (1,) * (len(out.shape) - len(source.shape)) + source.shape
    if any(side not in (1, size) for side, size in zip(sides, out.shape, strict=False)):
        raise unsupported(node, out, f"{source.shape} cannot become {out.shape}", "Convert the model again.")
    _pick(low, node, source, [_from(0, size) % side for side, size in zip(sides, out.shape, strict=False)], sides)


def reverse(low: Lowering, node: Node) -> None:
    """REVERSE_V2 along constant axes."""
    source, positions = low.tensor(node, 0), _all(low.tensor(node, 0))
    for axis in constant_input(low, node, 1):
        positions[axis] = positions[axis][::-1]
    _pick(low, node, source, positions)


def mirror_pad(low: Lowering, node: Node) -> None:
    """MIRROR_PAD: a border that repeats what lies inside, with the rim (SYMMETRIC) or without (REFLECT)."""
    source = low.tensor(node, 0)
    amounts = np.array(constant_input(low, node, 1)).reshape(-1, 2)
    with_rim = node.option("mode") == 1
    if len(amounts) != len(source.shape) or amounts.min(initial=0) < 0:
        raise unsupported(node, source, "its paddings do not fit", "Convert the model again.")
    positions = []
    for side, (before, after) in zip(source.shape, amounts.tolist(), strict=True):
        if max(before, after) > side - (not with_rim):
            raise unsupported(node, source, "its border is wider than what it repeats", "Use a narrower one.")
        steps = _from(-before, before + side + after)
        positions.append(_folded(steps, side, with_rim))
    _pick(low, node, source, positions)


def _folded(positions: Positions, side: int, with_rim: bool) -> Positions:
    below, above = (-1, 2 * side - 1) if with_rim else (0, 2 * side - 2)
    inside = np.where(positions < 0, below - positions, positions)
    folded: Positions = np.where(positions >= side, above - positions, inside)
    return folded


def resize_nearest_neighbor(low: Lowering, node: Node) -> None:
    """RESIZE_NEAREST_NEIGHBOR to the size of the result."""
    source, out = low.tensor(node, 0), low.result(node)
    if len(source.shape) != 4 or len(out.shape) != 4:
        raise unsupported(node, source, "it has not four dimensions", "Use NHWC tensors.")
    corners, centres = bool(node.options["align_corners"]), bool(node.options["half_pixel_centers"])
    positions = _all(source)
    for axis in (1, 2):
        positions[axis] = _nearest(source.shape[axis], out.shape[axis], corners, centres)
    _pick(low, node, source, positions)


def _nearest(side: int, size: int, corners: bool, centres: bool) -> Positions:
    """The position behind each pixel, in TFLite's float32 arithmetic."""
    scale = np.float32(side - 1) / np.float32(size - 1) if corners and size > 1 else np.float32(side) / np.float32(size)
    places = (np.arange(size, dtype=np.float32) + np.float32(0.5 if centres else 0)) * scale
    whole = np.floor(places + np.float32(0.5)) if corners else np.floor(places)
    found: Positions = np.clip(whole.astype(np.int64), 0, side - 1)
    return found


def _from(first: int, count: int) -> Positions:
    return np.arange(first, first + count, dtype=np.int64)


def _all(source: Tensor) -> list[Positions]:
    return [_from(0, side) for side in source.shape]


def _pick(
    low: Lowering, node: Node, source: Tensor, positions: Sequence[Positions], shape: Sequence[int] | None = None
) -> None:
    """The result has `positions` of each axis of the input, which is read as `shape`: a view, or strided copies."""
    out, sides = low.result(node), source.shape if shape is None else shape
    for side, places in zip(sides, positions, strict=True):
        if not 0 < len(places) <= MAX_SIDE or places.min() < 0 or places.max() >= side:
            raise unsupported(node, out, "it takes what its input has not", "Convert the model again.")
    axes = _few([runs(places) for places in positions])
    steps, out_steps = contiguous(sides), contiguous([len(places) for places in positions])
    if all(len(axis) == 1 for axis in axes):
        parts = [(axis[0], step) for axis, step in zip(axes, steps, strict=True)]
        first = sum(run.first * step for run, step in parts)
        dims = [size for run, _ in parts for size in run.dims]
        move(low, node, source, out, first, dims, [inner * step for run, step in parts for inner in run.steps])
        return
    if np.prod([len(axis) for axis in axes]) > MAX_COPIES:
        raise unsupported(node, out, f"its positions need more than {MAX_COPIES} copies", "Use an even stride.")
    view, place = low.view(source), low.allocate(out)
    for chosen in itertools.product(*axes):
        walks = list(zip(chosen, steps, out_steps, strict=True))
        copy(
            low,
            node,
            source,
            out,
            view,
            place,
            sum(run.first * step for run, step, _ in walks),
            sum(run.at * step for run, _, step in walks),
            [size for run, _, _ in walks for size in run.dims],
            [inner * step for run, step, _ in walks for inner in run.steps],
            [inner * step for run, _, step in walks for inner in contiguous(run.dims)],
        )


def _few(axes: list[list[Run]]) -> list[list[Run]]:
    """The same with at most six dimensions in all: what is repeated as a whole becomes several runs."""
    while sum(max(sum(size > 1 for size in run.dims) for run in axis) for axis in axes) > RANK:
        repeated = [at for at, axis in enumerate(axes) if axis[0].dims[0] > 1 and len(axis[0].dims) > 1]
        if not repeated:
            break
        at = min(repeated, key=lambda at: len(axes[at]) * axes[at][0].dims[0])
        axes[at] = [part for run in axes[at] for part in _apart(run)]
    return axes


def _apart(run: Run) -> list[Run]:
    times, *rest = run.dims
    length = math.prod(rest)
    return [Run(run.first, run.at + number * length, tuple(rest), run.steps[1:]) for number in range(times)]


def runs(positions: Positions) -> list[Run]:
    """Positions as few walks: one where they are evenly spread, each repeated or the whole repeated; else several."""
    count = len(positions)
    repeat = _first(positions[1:] != positions[:-1], count)
    singles = positions[::repeat] if count % repeat == 0 else positions
    if not (np.repeat(singles, count // len(singles)) == positions).all():
        singles = positions
    period = next((size for size in _divisors(len(singles)) if _repeats(singles, size)), len(singles))
    part = singles[:period]
    step = int(part[1] - part[0]) if period > 1 else 0
    if (np.diff(part) == step).all():
        dims = (len(singles) // period, period, count // len(singles))
        return [Run(int(positions[0]), 0, dims, (0, step, 0))]
    return _spread(positions)


def _first(marks: NDArray[np.bool_], otherwise: int) -> int:
    """How many positions come before the first change."""
    found = np.flatnonzero(marks)
    return int(found[0]) + 1 if found.size else otherwise


def _divisors(count: int) -> list[int]:
    return [size for size in range(1, min(count, 4096) + 1) if count % size == 0]


def _repeats(positions: Positions, size: int) -> bool:
    return bool((positions.reshape(-1, size) == positions[:size]).all())


def _spread(positions: Positions) -> list[Run]:
    """Evenly spread positions behind each other."""
    found, at = [], 0
    while at < len(positions):
        rest = np.diff(positions[at:])
        count = _first(rest != rest[:1], len(rest) + 1)
        step = int(rest[0]) if count > 1 else 0
        found.append(Run(int(positions[at]), at, (count,), (step,)))
        at += count
    return found
