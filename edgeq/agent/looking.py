"""What lies between the operators of a loaded model: a tensor of one inference, for whoever looks for the first one
that computes something else than it does elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status

_SUBGRAPHS, _SIGNATURES = 2, 7
"""Fields of a Model (LiteRT's schema.fbs)."""
_TENSORS, _OUTPUTS = 0, 2
"""Fields of a SubGraph."""


def look(path: Path, threads: int, kernels: str, inputs: Sequence[bytes], tensor: int) -> bytes:
    """The values of a tensor of the main graph after one inference, raw and little-endian.

    The model is loaded anew with that tensor for its output, so that kernels and delegate are those that compute it
    otherwise; `Refused` where there is no such tensor.
    """
    from edgeq.runtime import Model

    model = Model(patched(path.read_bytes(), tensor), threads=threads, kernels=kernels)
    return bytes(model.invoke(inputs)[0])


def patched(model: bytes, tensor: int) -> bytes:
    """A `.tflite` whose main graph gives `tensor` for every output: numbers in place, so nothing else moves.

    `Refused` where it has no such tensor, or is damaged.
    """
    data = bytearray(model)
    try:
        root = _u32(data, 0)
        graph = _reference(data, _vector(data, root, _SUBGRAPHS)[0])
        if not 0 <= tensor < _vector(data, graph, _TENSORS)[1]:
            raise Refused(Status.INVALID, f"the model has no tensor {tensor}")
        start, count = _vector(data, graph, _OUTPUTS)
        if count > len(data) // 4:
            raise struct.error(f"it has {count} outputs")
        struct.pack_into(f"<{count}i", data, start, *[tensor] * count)
        signatures = _field(data, root, _SIGNATURES)
        if signatures:  # They name outputs that are none any more.
            struct.pack_into("<I", data, _reference(data, signatures), 0)
    except struct.error as error:
        raise Refused(Status.INVALID, f"the model is damaged: {error}") from error
    return bytes(data)


def _u32(data: Any, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _reference(data: Any, at: int) -> int:
    return at + _u32(data, at)


def _field(data: Any, table: int, number: int) -> int:
    """Where a table has its field; 0 where it has none."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    (size,) = struct.unpack_from("<H", data, vtable)
    place = 4 + 2 * number
    if place + 2 > size:
        return 0
    (offset,) = struct.unpack_from("<H", data, vtable + place)
    return table + int(offset) if offset else 0


def _vector(data: Any, table: int, number: int) -> tuple[int, int]:
    """Where the elements of a vector begin, and how many there are."""
    field = _field(data, table, number)
    if not field:
        raise struct.error(f"field {number} is missing")
    start = _reference(data, field)
    return start + 4, _u32(data, start)
