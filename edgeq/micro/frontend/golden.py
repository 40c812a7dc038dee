"""The golden vector from raw input: what is kept of a recording in an image, and what must come of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgeq.errors import UsageError
from edgeq.micro.frontend.program import Pad, Program
from edgeq.micro.frontend.reference import quantized
from edgeq.preprocess import Raw

MOST_BYTES = 65_536


def golden_raw(program: Program, raws: Iterable[Raw]) -> tuple[Raw, bytes] | None:
    """The first of `raws` that the front end takes and that is small enough to lie in an image, and the model's input
    that it makes of it; None where there is none."""
    for raw in raws:
        kept = _cut(program, raw)
        try:
            if kept.array.nbytes <= MOST_BYTES:
                return kept, quantized(program, kept)
        except UsageError:
            continue
    return None


def _cut(program: Program, raw: Raw) -> Raw:
    """Without samples that padding would cut away."""
    first = program.records[0]
    if not isinstance(first, Pad):
        return raw
    return replace(raw, array=raw.array[-first.samples :] if first.at_start else raw.array[: first.samples])
