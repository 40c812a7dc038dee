"""tfrecord files for the tests, written byte by byte."""

from __future__ import annotations

import struct
from typing import Any

from edgeq.dataset.crc32c import masked


def varint(value: int) -> bytes:
    value %= 2**64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def feature(values: Any, packed: bool = True) -> bytes:
    """Bytes, floats or whole numbers, by the type of the first."""
    if isinstance(values[0], bytes):
        return field(1, b"".join(field(1, value) for value in values))
    if isinstance(values[0], float):
        items = [struct.pack("<f", value) for value in values]
        return field(2, field(1, b"".join(items)) if packed else b"".join(b"\x0d" + item for item in items))
    items = [varint(value) for value in values]
    return field(3, field(1, b"".join(items)) if packed else b"".join(b"\x08" + item for item in items))


def example(packed: bool = True, **features: Any) -> bytes:
    """A `tf.train.Example`; a double underscore in a name stands for a slash."""
    entries = [
        field(1, field(1, name.replace("__", "/").encode()) + field(2, feature(values, packed)))
        for name, values in features.items()
    ]
    return field(1, b"".join(entries))


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))
