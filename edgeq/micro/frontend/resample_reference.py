"""What the record `resample` computes, in numpy's integers, from its definition and a whole clip."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.resample import TAP_BITS

Array = NDArray[Any]
_BLOCK = 4096
_LOW, _HIGH = -32768, 32767


def resample(record: p.Resample, x: Array) -> Array:
    """Samples of 16 bits, int64 [n], to such at the other rate, rounded (halves up) and saturated."""
    taps, phases = record.table.astype(np.int64), record.phases
    mirrored = [taps[phases - phase][::-1] for phase in range(len(taps), phases)]
    rows = np.concatenate([taps, mirrored]) if mirrored else taps
    half = record.taps // 2
    silent = np.concatenate([np.zeros(half - 1, np.int64), x, np.zeros(half, np.int64)])
    found = []
    for begin in range(0, count := -(-len(x) * phases // record.down), _BLOCK):
        position = np.arange(begin, min(begin + _BLOCK, count)) * record.down
        near = silent[(position // phases)[:, None] + np.arange(2 * half)]
        found.append(np.einsum("ij,ij->i", near, rows[position % phases]))
    sums = np.concatenate(found) + (1 << (TAP_BITS - 1))
    return np.asarray(np.clip(sums >> TAP_BITS, _LOW, _HIGH))


def heard_hz(program: p.Program) -> int:
    """The rate behind the record, or the program's own without one."""
    first = program.records[0]
    return program.rate_hz * first.phases // first.down if isinstance(first, p.Resample) else program.rate_hz
