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


def check_raw(item: Mapping[str, Any]) -> None:
    """`ValueError` where it is no map of `encode_raw`'s, or its sizes do not agree."""
    kind, shape, rate = item.get("type"), item.get("shape"), item.get("rate")
    size = TYPES.get(kind) if isinstance(kind, str) else None
    extents = (*shape, rate) if isinstance(shape, (list, tuple)) else ()
    whole = [extent for extent in extents if type(extent) is int and 0 <= extent < 1 << 31]
    if size is None or not 0 < len(extents) == len(whole) <= MOST_AXES + 1:
        raise ValueError(f"a raw input of type {kind!r} and shape {shape!r} is not one that edgeq sends"[:300])
    if math.prod(whole[:-1]) * size != len(item["data"]):
        raise ValueError(f"a raw input of shape {shape} has {len(item['data'])} bytes")


def decode_raw(item: Mapping[str, Any]) -> Raw:
    """The raw input of `encode_raw`'s map; `ValueError` as `check_raw`."""
    import numpy as np

    check_raw(item)
    array = np.frombuffer(item["data"], np.dtype(item["type"]).newbyteorder("<")).astype(item["type"], copy=False)
    return Raw(array.reshape(item["shape"]), item["rate"])
