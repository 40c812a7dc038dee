"""Preprocessing of features, lowered: every scale and clip folded into one exact step from a number to an integer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.errors import ConvertError
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.fixed import held
from edgeq.micro.frontend.samples import EXTERNAL
from edgeq.micro.frontend.values import ROW_MOST, integer_input
from edgeq.micro.graph import Tensor
from edgeq.micro.lower.context import DTYPES
from edgeq.preprocess import Preprocess
from edgeq.preprocess.step import Step
from edgeq.runtime import quantize

MULT_BITS = 38
"""A float32 has 24 bits; their product fits into 62."""
FRACTION_BITS = 24
MOST = 1 << 61
EXPONENT_MOST = 512
MOST_NUMBERS = 1 << 26


@dataclass(frozen=True)
class _Line:
    """y = min(max(x * multiply + add, low), high): float64 arrays of one number, or one for each place of a row."""

    multiply: Any
    add: Any
    low: Any
    high: Any

    def scaled(self, multiply: Any, add: Any) -> _Line:
        # Where nothing is left of x, neither is of limits: 0 times infinity.
        with np.errstate(over="ignore", invalid="ignore"):
            ends = [np.where(multiply == 0, add, _times(end, multiply) + add) for end in (self.low, self.high)]
            return _Line(self.multiply * multiply, self.add * multiply + add, np.minimum(*ends), np.maximum(*ends))

    def clipped(self, low: float, high: float) -> _Line:
        return _Line(self.multiply, self.add, *(np.clip(end, low, high) for end in (self.low, self.high)))

    def tiled(self, frames: int) -> _Line:
        """That of a row made of `frames` ones."""
        parts = np.broadcast_arrays(self.multiply, self.add, self.low, self.high)
        return self if len(parts[0]) == 1 else _Line(*(np.tile(part, frames) for part in parts))


def _times(end: Any, multiply: Any) -> Any:
    return end * np.where(multiply == 0, 1.0, multiply)


def lower_features(preprocess: Preprocess, tensor: Tensor) -> p.Program:
    """The front end of features. `ConvertError` names a step that cannot be done."""
    integer_input(tensor)
    infinity = np.array([np.inf])
    line = _Line(np.ones(1), np.zeros(1), -infinity, infinity)
    stack: Step | None = None
    for number, step in enumerate(preprocess.steps):
        if step.do == "stack" and stack is None:
            line, stack = line.tiled(step.values["frames"]), step
        elif step.do == "scale":
            line = _scaled(line, number, step, stack)
        elif step.do == "clip":
            line = line.clipped(step.values["low"], step.values["high"])
        else:
            why = "there was a stack before" if stack else "it does not run on microcontrollers at this place"
            raise _refused(number, step, why)
    return _program(line, stack, tensor)


def _refused(number: int, step: Step, why: str) -> ConvertError:
    return ConvertError(f"Step {number + 1} ({step.do}) of [preprocess]: {why}.", EXTERNAL)


def _scaled(line: _Line, number: int, step: Step, stack: Step | None) -> _Line:
    multiply, add = (np.atleast_1d(np.array(step.values[key], np.float64)) for key in ("multiply", "add"))
    frames = stack.values["frames"] if stack else 1
    lengths = {len(part) for part in (multiply, add, line.multiply, line.add)} - {1}
    if len(lengths) > 1 or any(length % frames for length in lengths):
        told = " and ".join(map(str, sorted(lengths)))
        raise _refused(number, step, f"rows cannot have {told} values with {frames} frames stacked")
    return line.scaled(multiply, add)


def _program(line: _Line, stack: Step | None, tensor: Tensor) -> p.Program:
    frames, hop = (stack.values["frames"], stack.values["step"]) if stack else (1, 1)
    elements, wide = math.prod(tensor.shape), _width(line, stack, tensor)
    width, rows = wide // frames, elements // wide if wide else 0
    if width * frames != wide or rows * wide != elements or not rows:
        raise ConvertError(
            f"[preprocess] gives rows of {wide} values; the model's input has {elements}.",
            "Change [preprocess] so that whole rows fill the input.",
        )
    if wide > ROW_MOST:
        raise ConvertError(
            f"[preprocess] gives rows of {wide} values; microcontrollers take {ROW_MOST}.", "Use shorter lists."
        )
    few, many = frames + (rows - 1) * hop, frames + rows * hop - 1
    axes = p.ROWS_OF if stack else p.LAST_AXIS if len(_columns(line, tensor)) > 1 else p.ANY_AXES
    records: list[p.Record] = [p.Features(width, axes)]
    memories = [p.Memory("clip", 2), p.Memory("work", 8), p.Memory("values", 4 * wide)]
    if stack:
        memories.append(kept := p.Memory("kept", 4 * wide))
        records.append(p.Stack(frames, hop, kept))
    columns = _columns(line, tensor)
    records.append(p.Convert(DTYPES[tensor.dtype], len(columns), columns, tensor.zero_point))
    most = min(many * width, MOST_NUMBERS // width * width)
    return p.Program(p.FEATURES, 0, few * width, most, 0, rows, tuple(memories), tuple(records))


def _width(line: _Line, stack: Step | None, tensor: Tensor) -> int:
    """Values of a row of the model's input: what lists say, else its last axis, or as much as is done at once."""
    length = max(len(line.multiply), len(line.add))
    if length > 1:
        return length
    last = tensor.shape[-1] if tensor.shape else 1
    if stack or last <= ROW_MOST:
        return last
    return next(width for width in range(ROW_MOST, 0, -1) if last % width == 0)


def _columns(line: _Line, tensor: Tensor) -> p.Table:
    """int32 [count, 7], `struct eq_fe_column`: one for all where all are the same."""
    scale = float(np.float32(tensor.scale))
    with np.errstate(over="ignore"):
        parts = np.broadcast_arrays(line.multiply / scale, line.add / scale, line.low, line.high)
        low, high = (quantize(end.astype(np.float32), tensor.dtype, scale, tensor.zero_point) for end in parts[2:])
    if not np.all(np.isfinite(parts[:2])):
        raise ConvertError("[preprocess] scales beyond all numbers.", "Use smaller numbers.")
    rows = [_column(*column) for column in zip(*parts[:2], low, high, strict=True)]
    return np.array(rows, np.int64).astype(np.uint32).view(np.int32)


def _column(multiply: float, add: float, low: int, high: int) -> list[int]:
    exponent = math.frexp(multiply)[1] - MULT_BITS
    if exponent > EXPONENT_MOST:
        raise ConvertError("[preprocess] scales features too far up.", "Use smaller numbers.")
    if multiply == 0 or exponent < -EXPONENT_MOST:
        multiply, exponent = 0.0, 0
    mult, addend = round(math.ldexp(multiply, -exponent)), held(math.ldexp(add, FRACTION_BITS), -MOST, MOST)
    words = (mult, mult >> 32, addend, addend >> 32, exponent, int(low), int(high))
    return [word & 0xFFFFFFFF for word in words]
