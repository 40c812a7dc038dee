"""A raw input as it travels: in a request to a device, and in a bundle's golden vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgeq.preprocess.raw import Raw

TYPES = {"int16": 2, "uint8": 1, "float32": 4}
MOST_AXES = 6


def encode_raw(raw: Raw) -> dict[str, Any]:
    """`type`, `shape`, `rate` (0 where it is no audio) and `data`, little-endian."""
    import numpy as np

    array = np.asarray(raw.array)
    kind = array.dtype.name if array.dtype.name in TYPES else "float32"
    data = np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")).tobytes()
    return {"type": kind, "shape": list(array.shape), "rate": raw.rate_hz, "data": data}


def decode_raw(item: Mapping[str, Any]) -> Raw:
    """The raw input of `encode_raw`'s map; `ValueError` where its sizes do not agree."""
    import numpy as np

    shape, size, rate = item["shape"], TYPES.get(item["type"]), item["rate"]
    whole = [extent for extent in (*shape, rate) if isinstance(extent, int) and 0 <= extent < 1 << 31]
    if size is None or len(shape) > MOST_AXES or len(whole) != len(shape) + 1:
        raise ValueError(f"a raw input of type {item['type']!r} and shape {shape!r} is not one that edgeq sends")
    if math.prod(shape) * size != len(item["data"]):
        raise ValueError(f"a raw input of shape {shape} has {len(item['data'])} bytes")
    array = np.frombuffer(item["data"], np.dtype(item["type"]).newbyteorder("<")).astype(item["type"], copy=False)
    return Raw(array.reshape(shape), rate)
