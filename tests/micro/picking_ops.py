"""Strategies of operators that take positions of each axis, and of those that take blocks apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from draws import Case, Draw, activations, case, indexes, shapes, stateless, values
from flat import Op, Tensor, options
from hypothesis import strategies as st


def _moved(
    draw: Draw, name: str, source: Tensor, given: Sequence[Tensor], taken: Any, about: str, chosen: Any = None
) -> Case:
    """The case of an operator that is numpy's `taken` of its one input."""
    out = source.like(taken(np.empty(source.shape)).shape)
    return case(Op(name, (source, *given), (out,), chosen), (source,), values(draw, source), stateless(taken), about)


@st.composite
def slice_op(draw: Draw) -> Case:
    """SLICE of any axes; a size may be -1."""
    source = draw(activations(draw(shapes)))
    begins = [draw(st.integers(0, size - 1)) for size in source.shape]
    sizes = [draw(st.integers(1, size - begin)) for size, begin in zip(source.shape, begins, strict=True)]
    parts = tuple(slice(begin, begin + size) for begin, size in zip(begins, sizes, strict=True))
    rest = [size - begin for size, begin in zip(source.shape, begins, strict=True)]
    written = [-1 if size == all_ and draw(st.booleans()) else size for size, all_ in zip(sizes, rest, strict=True)]
    given = (indexes(*begins), indexes(*written))
    return _moved(draw, "SLICE", source, given, lambda x: x[parts], f"{begins} {written}", options("Slice"))


@st.composite
def gather(draw: Draw) -> Case:
    """GATHER of constant positions in any order, or of one."""
    source = draw(activations(draw(shapes)))
    rank = len(source.shape)
    axis = draw(st.integers(-rank, rank - 1))
    size = source.shape[axis]
    several = st.lists(st.integers(0, size - 1), min_size=1, max_size=9)
    taken = draw(st.integers(0, size - 1) | several | several.map(lambda found: sorted(found) * 2))
    if isinstance(taken, int) and rank == 1:
        taken = [taken]
    given = indexes(taken, shape=()) if isinstance(taken, int) else indexes(*taken)
    chosen = options("Gather", axis=axis)
    return _moved(draw, "GATHER", source, (given,), lambda x: np.take(x, taken, axis), f"{axis} {taken}", chosen)


@st.composite
def tile(draw: Draw) -> Case:
    """TILE along any axes."""
    source = draw(activations(draw(shapes)[-4:]))
    times = [draw(st.sampled_from((1, 1, 2, 3))) for _ in source.shape]
    return _moved(draw, "TILE", source, (indexes(*times),), lambda x: np.tile(x, times), f"{times}")


@st.composite
def broadcast_to(draw: Draw) -> Case:
    """BROADCAST_TO: sides of 1 repeated, axes put in front."""
    shape = draw(shapes)[-4:]
    source = draw(activations([1 if draw(st.booleans()) else size for size in shape]))
    wide = (*draw(st.lists(st.integers(1, 3), max_size=5 - len(shape))), *shape)
    return _moved(
        draw, "BROADCAST_TO", source, (indexes(*wide),), lambda x: np.broadcast_to(x, wide), "", options("BroadcastTo")
    )


@st.composite
def reverse_v2(draw: Draw) -> Case:
    """REVERSE_V2 along one axis."""
    source = draw(activations(draw(shapes)))
    axis = draw(st.integers(0, len(source.shape) - 1))
    return _moved(draw, "REVERSE_V2", source, (indexes(axis),), lambda x: np.flip(x, axis), f"axis={axis}")


@st.composite
def mirror_pad(draw: Draw) -> Case:
    """MIRROR_PAD with the rim or without."""
    source = draw(activations(draw(shapes)[-4:]))
    mode = draw(st.integers(0, 1))
    most = [min(3, size - 1 + mode) for size in source.shape]
    pads = [draw(st.tuples(st.integers(0, size), st.integers(0, size))) for size in most]
    given = indexes(*(number for pair in pads for number in pair), shape=(len(pads), 2))
    how = ("reflect", "symmetric")[mode]
    chosen = options("MirrorPad", mode=mode)
    return _moved(draw, "MIRROR_PAD", source, (given,), lambda x: np.pad(x, pads, mode=how), f"{how} {pads}", chosen)


@st.composite
def resize_nearest_neighbor(draw: Draw) -> Case:
    """RESIZE_NEAREST_NEIGHBOR to any size: whole factors, odd ones, smaller pictures."""
    size, channels = draw(st.tuples(st.integers(1, 6), st.integers(1, 6))), draw(st.integers(1, 3))
    factor = draw(st.integers(1, 3))
    to = draw(st.just((size[0] * factor, size[1] * factor)) | st.tuples(st.integers(1, 14), st.integers(1, 14)))
    source = draw(activations((draw(st.integers(1, 2)), *size, channels)))
    corners = draw(st.booleans())
    centres = not corners and draw(st.booleans())

    def places(side: int, count: int) -> np.ndarray[Any, Any]:
        scale = np.float32(side - 1) / np.float32(count - 1) if corners and count > 1 else np.float32(side / count)
        at = (np.arange(count, dtype=np.float32) + np.float32(0.5 * centres)) * scale
        return np.minimum(np.floor(at + np.float32(0.5 * corners)), side - 1).astype(int)

    def taken(x: Any) -> Any:
        return x[:, places(size[0], to[0])][:, :, places(size[1], to[1])]

    chosen = options("ResizeNearestNeighbor", alignCorners=corners, halfPixelCenters=centres)
    return _moved(draw, "RESIZE_NEAREST_NEIGHBOR", source, (indexes(*to),), taken, f"{to} {corners} {centres}", chosen)


@st.composite
def split_v(draw: Draw) -> Case:
    """SPLIT_V along any axis; one size may be -1."""
    source = draw(activations(draw(shapes)))
    rank = len(source.shape)
    axis = draw(st.integers(-rank, rank - 1))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, source.shape[axis] - 1)), max_size=3)))
    bounds = [0, *(cut for cut in cuts if cut < source.shape[axis]), source.shape[axis]]
    sizes = np.diff(bounds).tolist()
    parts = np.split(np.empty(source.shape), bounds[1:-1], axis)
    given = (indexes(*sizes), indexes(axis, shape=()))
    chosen = options("SplitV", numSplits=len(sizes))
    op = Op("SPLIT_V", (source, *given), tuple(source.like(part.shape) for part in parts), chosen)
    real = stateless(lambda x: tuple(np.split(x, bounds[1:-1], axis)))
    return case(op, (source,), values(draw, source), real, f"axis={axis} {sizes}")


@st.composite
def unpack(draw: Draw) -> Case:
    """UNPACK along any axis."""
    source = draw(activations(draw(shapes)))
    rank = len(source.shape)
    axis = draw(st.integers(-rank, rank - 1))
    count = source.shape[axis]
    shape = [size for at, size in enumerate(source.shape) if at != axis % rank]
    op = Op(
        "UNPACK", (source,), tuple(source.like(shape) for _ in range(count)), options("Unpack", axis=axis, num=count)
    )
    real = stateless(lambda x: tuple(np.moveaxis(x, axis, 0)))
    return case(op, (source,), values(draw, source), real, f"axis={axis}")


@st.composite
def pack(draw: Draw) -> Case:
    """PACK of 1 to 4 tensors along any new axis."""
    first = draw(activations(draw(shapes)[-4:]))
    rank, count = len(first.shape), draw(st.integers(1, 4))
    axis = draw(st.integers(-rank - 1, rank))
    sources = [first, *(first.like(first.shape) for _ in range(count - 1))]
    shape = list(first.shape)
    shape.insert(axis % (rank + 1), count)
    op = Op("PACK", sources, (first.like(shape),), options("Pack", axis=axis, valuesCount=count))
    return case(op, sources, values(draw, *sources), stateless(lambda *x: np.stack(x, axis)), f"axis={axis}")


@st.composite
def _picture(draw: Draw) -> tuple[Tensor, int]:
    source = draw(activations([draw(st.integers(1, 3)) for _ in range(4)]))
    return source, draw(st.integers(1, 3))


@st.composite
def space_to_depth(draw: Draw) -> Case:
    """SPACE_TO_DEPTH."""
    drawn, block = draw(_picture())
    n, h, w, c = drawn.shape
    source = drawn.like((n, h * block, w * block, c))

    def taken(x: Any) -> Any:
        return x.reshape(n, h, block, w, block, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h, w, -1)

    return _moved(draw, "SPACE_TO_DEPTH", source, (), taken, f"{block}", options("SpaceToDepth", blockSize=block))


@st.composite
def depth_to_space(draw: Draw) -> Case:
    """DEPTH_TO_SPACE."""
    drawn, block = draw(_picture())
    n, h, w, c = drawn.shape
    source = drawn.like((n, h, w, c * block * block))

    def taken(x: Any) -> Any:
        return x.reshape(n, h, w, block, block, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h * block, w * block, c)

    return _moved(draw, "DEPTH_TO_SPACE", source, (), taken, f"{block}", options("DepthToSpace", blockSize=block))


def _joined(x: Any, block: tuple[int, int]) -> Any:
    """A batch of pictures as one: [b_h b_w n, h, w, c] to [n, h b_h, w b_w, c]."""
    n, h, w, c = x.shape[0] // block[0] // block[1], *x.shape[1:]
    return x.reshape(*block, n, h, w, c).transpose(2, 3, 0, 4, 1, 5).reshape(n, h * block[0], w * block[1], c)


def _cut(x: Any, block: tuple[int, int]) -> Any:
    """The other way round."""
    n, h, w, c = x.shape
    parts = x.reshape(n, h // block[0], block[0], w // block[1], block[1], c)
    return parts.transpose(2, 4, 0, 1, 3, 5).reshape(-1, h // block[0], w // block[1], c)


_blocks = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def space_to_batch_nd(draw: Draw) -> Case:
    """SPACE_TO_BATCH_ND of a picture with a border."""
    drawn, block = draw(activations([draw(st.integers(1, 4)) for _ in range(4)])), draw(_blocks)
    befores = [draw(st.integers(0, 2)) for _ in block]
    afters = [
        -(size + before) % side + side * draw(st.integers(0, 1))
        for size, before, side in zip(drawn.shape[1:3], befores, block, strict=True)
    ]
    pads = list(zip(befores, afters, strict=True))
    given = (indexes(*block), indexes(*(number for pair in pads for number in pair), shape=(2, 2)))

    def taken(x: Any) -> Any:
        return _cut(np.pad(x, [(0, 0), *pads, (0, 0)]), block)

    return _moved(draw, "SPACE_TO_BATCH_ND", drawn, given, taken, f"{block} {pads}")


@st.composite
def batch_to_space_nd(draw: Draw) -> Case:
    """BATCH_TO_SPACE_ND with rims cut off."""
    drawn, block = draw(activations([draw(st.integers(1, 4)) for _ in range(4)])), draw(_blocks)
    source = drawn.like((drawn.shape[0] * block[0] * block[1], *drawn.shape[1:]))
    sides = [size * side for size, side in zip(drawn.shape[1:3], block, strict=True)]
    before = [draw(st.integers(0, min(2, side - 1))) for side in sides]
    crops = [(first, draw(st.integers(0, min(2, side - 1 - first)))) for first, side in zip(before, sides, strict=True)]
    given = (indexes(*block), indexes(*(number for pair in crops for number in pair), shape=(2, 2)))
    rows, columns = (slice(first, side - last) for (first, last), side in zip(crops, sides, strict=True))
    return _moved(
        draw, "BATCH_TO_SPACE_ND", source, given, lambda x: _joined(x, block)[:, rows, columns], f"{block} {crops}"
    )
