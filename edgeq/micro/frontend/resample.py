"""The step `resample`, lowered: the float step's filter as integers, and how many samples go in and come out."""

from __future__ import annotations

import math

import numpy as np

from edgeq.errors import ConvertError
from edgeq.micro.frontend import program as p
from edgeq.preprocess.audio import resample_table
from edgeq.preprocess.step import Step

TAP_BITS = 30
MOST_TAPS = 1 << 18
"""A megabyte of table."""


def lower_resample(number: int, step: Step, rate_hz: int) -> p.Resample:
    """The record that brings `rate_hz` to the step's rate. `ConvertError` where its table would be too large.

    Row p of the filter is row `phases - p` backwards, so that half of them will do."""
    wanted_hz = step.values["rate_hz"]
    common = math.gcd(rate_hz, wanted_hz)
    table = resample_table(rate_hz, wanted_hz)
    phases, taps = table.shape
    rows = phases // 2 + 1
    if rows * taps > MOST_TAPS:
        raise ConvertError(
            f"Step {number + 1} (resample) of [preprocess]: from {rate_hz} to {wanted_hz} Hz takes a table of {rows} x "
            f"{taps} filter taps; on microcontrollers it has {MOST_TAPS} at most.",
            "Choose rates that have a large common divisor.",
        )
    fixed = np.round(np.ldexp(table[:rows], TAP_BITS)).astype(np.int32)
    return p.Resample(phases, rate_hz // common, taps, fixed, p.Memory("history", 4 * taps))


def resampled(record: p.Resample | None, samples: int) -> int:
    """How many samples come of that many."""
    return samples if record is None else -(-samples * record.phases // record.down)


def fewest(record: p.Resample | None, samples: int) -> int:
    """How many samples must go in so that at least `samples` come out."""
    return samples if record is None else (samples - 1) * record.down // record.phases + 1


def longest(record: p.Resample | None, samples: int) -> int:
    """How many samples may go in so that no more than `samples` come out."""
    return samples if record is None else samples * record.down // record.phases
