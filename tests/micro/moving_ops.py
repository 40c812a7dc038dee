"""Strategies of operators that only move values, and of variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from draws import (
    Case,
    Draw,
    Reals,
    activations,
    case,
    constant,
    dequantize,
    describe,
    indexes,
    integers,
    shapes,
    stateless,
    values,
    zero_points,
)
from flat import Array, Op, Tensor, options, write_model
from hypothesis import strategies as st
from numpy.typing import NDArray


@st.composite
def reshape(draw: Draw) -> Case:
    """RESHAPE by its second input; one size may be left to the runtime (-1)."""
    source = draw(activations(draw(shapes)))
    order = draw(st.permutations(source.shape))
    cut = draw(st.integers(0, len(order)))
    target = (int(np.prod(order[:cut])), *order[cut:])
    written = [-1 if draw(st.booleans()) and axis == 0 else size for axis, size in enumerate(target)]
    chosen = options("Reshape", newShape=np.array(written, np.int32))
    op = Op("RESHAPE", (source, indexes(*written)), (source.like(target),), chosen)
    return case(op, (source,), values(draw, source), stateless(lambda x: x.reshape(target)))


@st.composite
def squeeze(draw: Draw) -> Case:
    """SQUEEZE of named axes of size 1, or of all."""
    source = draw(activations(draw(st.lists(st.sampled_from((1, 1, 2, 5)), min_size=2, max_size=4))))
    ones = [axis for axis, size in enumerate(source.shape) if size == 1]
    chosen = draw(st.lists(st.sampled_from(ones), unique=True)) if ones else []
    axes = chosen or ones
    shape = tuple(size for axis, size in enumerate(source.shape) if axis not in axes)
    op = Op("SQUEEZE", (source,), (source.like(shape),), options("Squeeze", squeezeDims=np.array(chosen, np.int32)))
    return case(op, (source,), values(draw, source), stateless(lambda x: x.reshape(shape)))


@st.composite
def expand_dims(draw: Draw) -> Case:
    """EXPAND_DIMS at any axis, written with either sign."""
    source = draw(activations(draw(shapes)))
    rank = len(source.shape)
    axis = draw(st.integers(-rank - 1, rank))
    shape = np.expand_dims(np.empty(source.shape), axis).shape
    op = Op("EXPAND_DIMS", (source, indexes(axis, shape=())), (source.like(shape),), options("ExpandDims"))
    return case(op, (source,), values(draw, source), stateless(lambda x: x.reshape(shape)), f"axis={axis}")


@st.composite
def _paddings(draw: Draw, source: Tensor) -> tuple[list[tuple[int, int]], Tensor, Tensor]:
    pads = [draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in source.shape]
    shape = [size + before + after for size, (before, after) in zip(source.shape, pads, strict=True)]
    flat = indexes(*(number for pair in pads for number in pair), shape=(len(pads), 2))
    return pads, flat, source.like(shape)


@st.composite
def pad(draw: Draw) -> Case:
    """PAD with real zeros on any side of any axis."""
    source = draw(activations(draw(shapes)))
    pads, flat, out = draw(_paddings(source))
    op = Op("PAD", (source, flat), (out,), options("Pad"))
    return case(op, (source,), values(draw, source), stateless(lambda x: np.pad(x, pads)), f"pads={pads}")


@st.composite
def padv2(draw: Draw) -> Case:
    """PADV2 with a constant of the input's quantization."""
    source = draw(activations(draw(shapes)))
    pads, flat, out = draw(_paddings(source))
    fill = constant(draw, source.like((1,)))
    assert fill.data is not None
    value = float(dequantize(fill, fill.data)[0])
    op = Op("PADV2", (source, flat, fill), (out,), options("PadV2"))
    real = stateless(lambda x: np.pad(x, pads, constant_values=value))
    return case(op, (source,), values(draw, source), real, f"pads={pads}")


@st.composite
def concatenation(draw: Draw) -> Case:
    """CONCATENATION of 1 to 4 tensors of one quantization along any axis; one may be constant."""
    first = draw(activations(draw(shapes)))
    rank = len(first.shape)
    axis = draw(st.integers(-rank, rank - 1))
    at = axis % rank
    sizes = draw(st.lists(st.integers(1, 4), max_size=3))
    parts = [first, *(first.like((*first.shape[:at], size, *first.shape[at + 1 :])) for size in sizes)]
    if len(parts) > 1 and draw(st.booleans()):
        parts[-1] = constant(draw, parts[-1])
    shape = (*first.shape[:at], sum(part.shape[at] for part in parts), *first.shape[at + 1 :])
    op = Op("CONCATENATION", parts, (first.like(shape),), options("Concatenation", axis=axis))
    inputs = [part for part in parts if part.data is None]

    def real(*given: NDArray[np.float64]) -> NDArray[np.float64]:
        last = [dequantize(part, part.data) for part in parts if part.data is not None]
        return np.concatenate([*given, *last], axis)

    return case(op, inputs, values(draw, *inputs), stateless(real))


@st.composite
def split(draw: Draw) -> Case:
    """SPLIT into 1 to 3 equal parts along any axis."""
    shape = list(draw(shapes))
    axis, parts = draw(st.integers(-len(shape), len(shape) - 1)), draw(st.integers(1, 3))
    size = shape[axis]
    shape[axis] = size * parts
    source = draw(activations(shape))
    shape[axis] = size
    outs = [source.like(shape) for _ in range(parts)]
    op = Op("SPLIT", (indexes(axis, shape=(1,)), source), outs, options("Split", numSplits=parts))
    real = stateless(lambda x: tuple(np.split(x, parts, axis)))
    return case(op, (source,), values(draw, source), real, f"axis={axis}")


@dataclass(frozen=True)
class Pick:
    """What STRIDED_SLICE takes of one axis, and the same to numpy."""

    begin: int
    end: int
    stride: int
    begin_masked: bool
    end_masked: bool
    numpy: slice | int

    @property
    def shrinks(self) -> bool:
        """The axis goes away."""
        return isinstance(self.numpy, int)


@st.composite
def picks(draw: Draw, size: int) -> Pick:
    """A part of an axis, never empty: bounds of either sign or masked, or one index."""
    begin = draw(st.integers(0, size - 1))
    signed = begin - size if draw(st.booleans()) else begin
    if draw(st.integers(0, 4)) == 0:
        return Pick(signed, signed + 1, 1, False, False, begin)
    stride = draw(st.sampled_from((1, 1, 2, 3, -1, -2)))
    begin_masked, end_masked = (draw(st.sampled_from((True, True, False))) for _ in range(2))
    first = (0 if stride > 0 else size - 1) if begin_masked else begin
    last = draw(st.integers(first + 1, size + 2) if stride > 0 else st.integers(-1, first - 1))
    before_all = -size - 1
    end = before_all if last < 0 else last - size if last < size and draw(st.booleans()) else last
    stop = None if end_masked or last < 0 else last
    return Pick(signed, end, stride, begin_masked, end_masked, slice(first, stop, stride))


@st.composite
def strided_slice(draw: Draw) -> Case:
    """STRIDED_SLICE with begin, end and shrink masks and strides of either sign; up to 4 axes."""
    source = draw(activations(draw(shapes)[-4:]))
    parts = [draw(picks(size)) for size in source.shape]
    slicer = tuple(part.numpy for part in parts)
    out = source.like(np.empty(source.shape)[slicer].shape)
    bounds = [indexes(*numbers) for numbers in zip(*((p.begin, p.end, p.stride) for p in parts), strict=True)]
    chosen = options(
        "StridedSlice",
        beginMask=_mask(part.begin_masked for part in parts),
        endMask=_mask(part.end_masked for part in parts),
        shrinkAxisMask=_mask(part.shrinks for part in parts),
    )
    op = Op("STRIDED_SLICE", (source, *bounds), (out,), chosen)
    return case(op, (source,), values(draw, source), stateless(lambda x: x[slicer]), f"{parts}")


def _mask(bits: Iterable[bool]) -> int:
    return sum(1 << axis for axis, bit in enumerate(bits) if bit)


@st.composite
def transpose(draw: Draw) -> Case:
    """TRANSPOSE by any permutation."""
    source = draw(activations(draw(shapes)))
    order = draw(st.permutations(range(len(source.shape))))
    out = source.like([source.shape[axis] for axis in order])
    op = Op("TRANSPOSE", (source, indexes(*order)), (out,), options("Transpose"))
    return case(op, (source,), values(draw, source), stateless(lambda x: x.transpose(order)), f"order={order}")


@st.composite
def variables(draw: Draw) -> Case:
    """VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE: each output is what an earlier step stored, or this one if the
    assignment comes first. Initialised by a CALL_ONCE or left to the runtime."""
    count, initialised, late = draw(st.integers(1, 2)), draw(st.booleans()), draw(st.booleans())
    scales = draw(activations(draw(shapes)))
    sources = [Tensor(scales.shape, "int8", scales.scales, draw(zero_points)) for _ in range(count)]
    starts = [constant(draw, source) for source in sources]
    ops: list[Op] = [Op("CALL_ONCE", (), (), options("CallOnce", initSubgraphIndex=1))] if initialised else []
    first: list[Op] = []
    outs = [source.like(source.shape) for source in sources]
    for name, source, start, out in zip("ab", sources, starts, outs, strict=False):
        once, handle = (Tensor((), "resource") for _ in range(2))
        named = options("VarHandle", sharedName=name, container="")
        first += [Op("VAR_HANDLE", (), (once,), named), Op("ASSIGN_VARIABLE", (once, start), (), _no("Assign"))]
        read = Op("READ_VARIABLE", (handle,), (out,), _no("Read"))
        assign = Op("ASSIGN_VARIABLE", (handle, source), (), _no("Assign"))
        ops += [Op("VAR_HANDLE", (), (handle,), named), *((read, assign) if late else (assign, read))]
    model = write_model(ops, sources, outs, first if initialised else ())
    steps = [tuple(draw(integers(source.shape)) for source in sources) for _ in range(draw(st.integers(1, 3)))]

    def real(inputs: Sequence[Reals]) -> list[list[NDArray[np.float64]]]:
        before = [_start(source, start, initialised) for source, start in zip(sources, starts, strict=True)]
        lines = [before, *inputs] if late else list(inputs)
        return [list(line) for line in lines[: len(inputs)]]

    about = f"count={count} initialised={initialised} read_first={late}"
    return Case("VARIABLES", model, tuple(steps), describe(ops[-1], about), real)


def _no(prefix: str) -> object:
    return options(f"{prefix}Variable")


def _start(source: Tensor, start: Tensor, initialised: bool) -> Array:
    """Real values before the first step: the initial ones, or zero."""
    assert start.data is not None
    return dequantize(start, start.data) if initialised else np.zeros(source.shape)
