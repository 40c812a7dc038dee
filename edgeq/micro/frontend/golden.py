"""The golden vector from raw input: what is kept of a recording in an image, and what must come of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgeq.errors import UsageError
from edgeq.micro.frontend.program import Pad, Program, Resample
from edgeq.micro.frontend.reference import quantized
from edgeq.micro.frontend.resample import fewest
from edgeq.preprocess import Raw

MOST_BYTES = 65_536
MOST_RESAMPLED_BYTES = 98_304
"""Of audio that is resampled: a second of 48 kHz."""


def golden_raw(program: Program, raws: Iterable[Raw]) -> tuple[Raw, bytes] | None:
    """The first of `raws` that the front end takes and that is small enough to lie in an image, and the model's input
    that it makes of it; None where there is none."""
    first = program.records[0]
    most = MOST_RESAMPLED_BYTES if isinstance(first, Resample) else MOST_BYTES
    for raw in raws:
        kept = _cut(program, raw)
        try:
            if kept.array.nbytes <= most:
                return kept, quantized(program, kept)
        except UsageError:
            continue
    return None


def _cut(program: Program, raw: Raw) -> Raw:
    """Without samples that padding would cut away: what is left gives as many as it wants."""
    pad = next((record for record in program.records if isinstance(record, Pad)), None)
    if pad is None:
        return raw
    first = program.records[0]
    samples = fewest(first if isinstance(first, Resample) else None, pad.samples)
    return replace(raw, array=raw.array[-samples:] if pad.at_start else raw.array[:samples])
