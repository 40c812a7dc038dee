"""Steps on rows of values, lowered: integers of 32 bits in one unit, down to the model's input."""

from __future__ import annotations

import math

import numpy as np

from edgeq.errors import ConvertError
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.fixed import SHIFT_MOST, exponent_for, held, multiplier, multipliers
from edgeq.micro.frontend.samples import EXTERNAL, Samples
from edgeq.micro.graph import Tensor
from edgeq.micro.lower.context import DTYPES
from edgeq.preprocess.features import dct_table
from edgeq.preprocess.step import Step

LOG_BITS = 23
BITS = 29
MATRIX_BITS = 30
ROW_MOST = 8192
_DTYPES = ("int8", "uint8", "int16")


def integer_input(tensor: Tensor) -> None:
    """`ConvertError` where a front end cannot fill the model's input."""
    if tensor.dtype not in _DTYPES or tensor.scale <= 0:
        raise ConvertError(
            f"Microcontrollers preprocess for inputs of int8, uint8 and int16; the model's is {tensor.dtype}.",
            "Build the model with integer input (--io int8).",
        )


class Values:
    """The records so far. A value v is worth v * 2^exponent, from `low` to `high`; `taken` steps are done."""

    def __init__(self, samples: Samples, taken: int, width: int, exponent: int, low: float, high: float) -> None:
        self.samples, self.taken = samples, taken
        self.width, self.exponent, self.low, self.high = width, exponent, low, high
        self.records: list[p.Record] = []
        self.memories: list[p.Memory] = []
        self.fft = 0
        self.most_bytes, self.most_matrix = 4 * width, 0
        self.stack: tuple[int, int] | None = None

    def add(self, number: int, step: Step) -> None:
        """One more step. `ConvertError` where it cannot be done."""
        do = getattr(self, f"_{step.do}", None)
        if do is None:
            raise self._refused(number, step, "it does not run on microcontrollers at this place")
        do(number, step)
        if self.width > ROW_MOST:
            raise self._refused(number, step, f"rows of more than {ROW_MOST} values do not run on microcontrollers")
        self.most_bytes = max(self.most_bytes, 4 * self.width)

    def _refused(self, number: int, step: Step, why: str) -> ConvertError:
        return ConvertError(f"Step {number + 1} ({step.do}) of [preprocess]: {why}.", EXTERNAL)

    @property
    def _most(self) -> float:
        return max(abs(self.low), abs(self.high))

    def _scale(self, number: int, step: Step) -> None:  # noqa: ARG002
        both = [value if isinstance(value, tuple) else (value,) for value in step.values.values()]
        count = max(map(len, both))
        multiply, add = (np.broadcast_to(np.array(values, np.float64), (count,)) for values in both)
        ends = np.concatenate([multiply * self.low + add, multiply * self.high + add])
        steepest = float(np.max(np.abs(multiply)))
        exponent = exponent_for(max(float(np.max(np.abs(ends))), steepest * self._most), BITS)
        exponent = max(exponent, self.exponent + math.frexp(steepest)[1] - BITS)
        mult, shift = multipliers(np.ldexp(multiply, self.exponent - exponent).tolist())
        adds = [held(value) for value in np.ldexp(add, -exponent)]
        self.records.append(p.Affine(count, np.array(mult, np.int32), np.array(adds, np.int32), shift))
        self.exponent, self.low, self.high = exponent, float(np.min(ends)), float(np.max(ends))

    def _clip(self, number: int, step: Step) -> None:  # noqa: ARG002
        limits = [step.values["low"], step.values["high"]]
        self.records.append(p.Limit(*(held(math.ldexp(limit, -self.exponent)) for limit in limits)))
        self.low, self.high = (min(max(end, limits[0]), limits[1]) for end in (self.low, self.high))

    def _mfcc(self, number: int, step: Step) -> None:  # noqa: ARG002
        table = dct_table(self.width, step.values["count"], step.values["norm"]).T
        heaviest = float(np.max(np.abs(table).sum(axis=1)))
        bits = min(MATRIX_BITS, 31 - math.frexp(heaviest * (1 + 2.0**-20))[1])
        fixed = np.round(np.ldexp(table, bits)).astype(np.int32)
        most = heaviest * self._most
        shift = min(max(exponent_for(most, BITS) - self.exponent + bits, 0), SHIFT_MOST)
        exponent = self.exponent - bits + shift
        self.records.append(p.Matrix(len(table), fixed, shift))
        self.most_matrix = max(self.most_matrix, len(table))
        self.width, self.exponent, self.low, self.high = len(table), exponent, -most, most

    def _stack(self, number: int, step: Step) -> None:
        if self.stack:
            raise self._refused(number, step, "there was a stack before")
        frames, step_ = step.values["frames"], step.values["step"]
        kept = p.Memory("kept", 4 * frames * self.width)
        self.records.append(p.Stack(frames, step_, kept))
        self.memories.append(kept)
        self.stack = (frames, step_)
        self.width *= frames

    def quantize(self, tensor: Tensor) -> p.Quantize:
        """The last record: to the integers of the model's input."""
        integer_input(tensor)
        try:
            mult, shift = multiplier(math.ldexp(1.0, self.exponent) / float(np.float32(tensor.scale)))
        except OverflowError:
            raise ConvertError(
                f"What [preprocess] gives reaches {self._most:g}; the model's input has steps of {tensor.scale:g}.",
                "Scale the features as the model was trained.",
            ) from None
        return p.Quantize(DTYPES[tensor.dtype], mult, shift, tensor.zero_point)
