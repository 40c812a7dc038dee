"""Looks into images, of which all but the envelope is what the runtime accepts."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from edgeq.micro.image import BODY, ENVELOPE, TENSOR

ARENA_BYTES = 6
"""Of the fields of `ENVELOPE`."""
PLAN, PLAN_BYTES, TENSORS, INPUTS, OUTPUTS = 5, 6, 8, 9, 10
"""Of the fields of `BODY`."""


def arena_bytes(data: bytes) -> float:
    """What the envelope says; infinite where there is none."""
    return float(ENVELOPE.unpack_from(data)[ARENA_BYTES]) if len(data) >= ENVELOPE.size else math.inf


def kinds(image: bytes) -> Iterator[int]:
    """The kernel of each record, in order."""
    head = BODY.unpack_from(image, ENVELOPE.size)
    at, end = head[PLAN], head[PLAN] + head[PLAN_BYTES]
    while at < end:
        kind, length = struct.unpack_from("<HH", image, ENVELOPE.size + at)
        yield kind
        at += length


def zeros(image: bytes) -> tuple[list[bytes], list[bytes]]:
    """As many zeros as the inputs and the outputs have bytes."""
    head = BODY.unpack_from(image, ENVELOPE.size)
    at, inputs, count = ENVELOPE.size + head[TENSORS], head[INPUTS], head[INPUTS] + head[OUTPUTS]
    sizes = [TENSOR.unpack_from(image, at + index * TENSOR.size)[1] for index in range(count)]
    return [bytes(size) for size in sizes[:inputs]], [bytes(size) for size in sizes[inputs:]]
