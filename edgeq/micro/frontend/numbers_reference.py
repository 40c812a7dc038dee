"""What the records of features compute, in Python's integers, which have no limits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.numbers import FRACTION_BITS, MOST
from edgeq.preprocess import Raw
from edgeq.preprocess.windows import Windows
from edgeq.preprocess.wire import TYPES

AXES_MOST = 3
Array = NDArray[Any]


def converted(program: p.Program, raw: Raw) -> Array:
    """int64 [rows, width], integers of the model's input. `UsageError` for what is refused."""
    first, last = program.records[0], program.records[-1]
    assert isinstance(first, p.Features)
    assert isinstance(last, p.Convert)
    _check(program, first, raw)
    m, e = _decoded(raw.array)
    places: Array = np.arange(m.size).reshape(-1, first.width)
    for record in program.records[1:-1]:
        assert isinstance(record, p.Stack)
        places = Windows(record.frames, record.step)(places, True)
    columns = [_column(row) for row in last.columns.tolist()]
    return np.array(
        [
            [
                _one(int(m[place]), int(e[place]), *columns[i % len(columns)], last.zero_point)
                for i, place in enumerate(row)
            ]
            for row in places[: program.rows]
        ],
        np.int64,
    )


def _check(program: p.Program, first: p.Features, raw: Raw) -> None:
    array = raw.array
    if raw.rate_hz or array.dtype.kind not in "buif":
        raise UsageError("The input is not numbers.", "Send features, without a rate.")
    if array.ndim > AXES_MOST:
        raise UsageError(f"The input has {array.ndim} axes; microcontrollers take {AXES_MOST}.", "Reshape it.")
    last = array.shape[-1] if array.ndim else 1
    if (first.axes == p.ROWS_OF and array.ndim != 2) or (first.axes and last != first.width):
        raise UsageError(f"The input is {list(array.shape)}; its last axis has to have {first.width} numbers.")
    if array.size % first.width or not program.least <= array.size <= program.most:
        raise UsageError(f"The input has {array.size} numbers; the model takes {program.least} to {program.most}.")


def _decoded(array: Array) -> tuple[Array, Array]:
    """m * 2^e of each number, as it travels: others than int16 and uint8 as float32. No number is 0, infinity 2^128."""
    sent = array if array.dtype.name in TYPES else array.astype(np.float32)
    x = sent.astype(np.float64).ravel()
    x = np.where(np.isnan(x), 0.0, np.clip(x, -(2.0**128), 2.0**128))
    fraction, e = np.frexp(x)
    return np.ldexp(fraction, 24).astype(np.int64), e.astype(np.int64) - 24


def _column(words: list[int]) -> tuple[int, int, int, int, int]:
    low_mult, high_mult, low_add, high_add, exponent, low, high = words
    return (high_mult << 32) | (low_mult & 0xFFFFFFFF), (high_add << 32) | (low_add & 0xFFFFFFFF), exponent, low, high


def _moved(product: int, up: int) -> int:
    """product * 2^up; a bit that is lost leaves its trace in the last one."""
    if up >= 0:
        return min(max(product << up, -MOST), MOST)
    return (product >> -up) | (product & ((1 << -up) - 1) != 0)


def _one(m: int, e: int, mult: int, add: int, exponent: int, low: int, high: int, zero_point: int) -> int:
    moved = _moved(m * mult, e + exponent + FRACTION_BITS)
    whole, part = divmod(moved + add, 1 << FRACTION_BITS)
    half = 1 << (FRACTION_BITS - 1)
    rounded = whole + (part > half or (part == half and whole % 2 == 1))
    return min(max(rounded + zero_point, low), high)
