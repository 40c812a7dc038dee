"""The part of protobuf that a `tf.train.Example` needs: bytes -> its features by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Feature = list[bytes] | NDArray[Any]
"""A bytes_list as a list, a float_list as float32 [n], an int64_list as int64 [n]."""


class NotAnExample(ValueError):
    """Why the bytes are no `tf.train.Example`."""


def read_example(data: bytes) -> dict[str, Feature]:
    """The features in the order of the bytes; `NotAnExample` where they cannot be read."""
    found: dict[str, Feature] = {}
    for features in _messages(data, 1):
        for entry in _messages(features, 1):
            names = list(_messages(entry, 1))
            try:
                name = names[-1].decode("utf-8") if names else ""
            except UnicodeDecodeError as error:
                raise NotAnExample("the name of a feature is no text") from error
            values = list(_messages(entry, 2))
            if values:
                found[name] = _feature(values[-1])
    return found


def _feature(data: bytes) -> Feature:
    found: Feature = []
    for number, kind, value in _fields(data):
        if number in (1, 2, 3):
            if kind != 2 or not isinstance(value, bytes):
                raise NotAnExample(f"a list of values is of wire type {kind}")
            found = (_bytes_list, _float_list, _int64_list)[number - 1](value)
    return found


def _bytes_list(data: bytes) -> Feature:
    return list(_messages(data, 1))


def _float_list(data: bytes) -> Feature:
    parts = []
    for number, kind, value in _fields(data):
        if number == 1:
            if kind not in (2, 5) or not isinstance(value, bytes) or len(value) % 4:
                raise NotAnExample("a float_list holds something else than floats")
            parts.append(value)
    return np.frombuffer(b"".join(parts), "<f4").astype(np.float32)


def _int64_list(data: bytes) -> Feature:
    found: list[int] = []
    for number, kind, value in _fields(data):
        if number == 1:
            if kind == 0 and isinstance(value, int):
                found.append(value)
            elif kind == 2 and isinstance(value, bytes):
                place = 0
                while place < len(value):
                    item, place = _varint(value, place)
                    found.append(item)
            else:
                raise NotAnExample("an int64_list holds something else than whole numbers")
    return np.array(found, np.uint64).astype(np.int64)


def _messages(data: bytes, wanted: int) -> Iterator[bytes]:
    """The length-delimited fields of this number."""
    for number, _, value in _fields(data):
        if number == wanted:
            if not isinstance(value, bytes):
                raise NotAnExample(f"field {number} is a number, not a message")
            yield value


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of each field."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield number, kind, value
            continue
        if kind == 2:
            size, place = _varint(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise NotAnExample(f"wire type {kind} is unknown")
        if size > len(data) - place:
            raise NotAnExample(f"a field has {size:,} bytes, and {len(data) - place:,} are left")
        yield number, kind, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """(value, the place behind it)."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise NotAnExample("it ends inside of a number")
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, place
    raise NotAnExample("a number has more than ten bytes")
