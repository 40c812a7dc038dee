"""The subset of CBOR (RFC 8949) that SMP messages use: integers, strings, arrays, maps, floats, bool, null.

`dumps` writes definite lengths and shortest heads, and keeps the order of maps. `loads` also reads indefinite lengths,
because zcbor (Zephyr, MCUboot) writes them. Tags, and the simple values beyond false, true and null, are refused.
"""

from __future__ import annotations

import struct
from typing import Any

MAX_DEPTH = 16


class CborError(ValueError):
    """The bytes are not one whole item of the subset."""


def dumps(item: Any) -> bytes:
    """Encode None, bool, int (64 bit), float (as float64), bytes-like, str, list, tuple, dict; else TypeError."""
    out: list[bytes] = []
    _encode(item, out, 0)
    return b"".join(out)


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 1 << 8:
        return struct.pack(">BB", major << 5 | 24, value)
    if value < 1 << 16:
        return struct.pack(">BH", major << 5 | 25, value)
    if value < 1 << 32:
        return struct.pack(">BI", major << 5 | 26, value)
    if value < 1 << 64:
        return struct.pack(">BQ", major << 5 | 27, value)
    raise CborError("an integer has more than 64 bits")


def _encode(item: Any, out: list[bytes], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CborError(f"nested deeper than {MAX_DEPTH}")
    if item is None or item is True or item is False:
        out.append(b"\xf6" if item is None else b"\xf5" if item else b"\xf4")
    elif isinstance(item, int):
        out.append(_head(0, item) if item >= 0 else _head(1, -1 - item))
    elif isinstance(item, float):
        out.append(struct.pack(">Bd", 0xFB, item))
    elif isinstance(item, str):
        text = item.encode("utf-8")
        out += (_head(3, len(text)), text)
    elif isinstance(item, (bytes, bytearray, memoryview)):
        out += (_head(2, len(item)), bytes(item) if not isinstance(item, bytes) else item)
    elif isinstance(item, (list, tuple)):
        out.append(_head(4, len(item)))
        for element in item:
            _encode(element, out, depth + 1)
    elif isinstance(item, dict):
        out.append(_head(5, len(item)))
        for key, value in item.items():
            _encode(key, out, depth + 1)
            _encode(value, out, depth + 1)
    else:
        raise TypeError(f"CBOR subset: cannot encode {type(item).__name__}")


def loads(data: Any) -> Any:
    """Decode exactly one item from bytes-like `data`; `CborError` for anything else, whatever the bytes."""
    view = memoryview(data)
    item, end = _decode(view, 0, 0)
    if end != len(view):
        raise CborError(f"{len(view) - end} bytes follow the item")
    return item


_BREAK = object()


def _decode(view: memoryview, at: int, depth: int) -> tuple[Any, int]:
    item, at = _decode_any(view, at, depth)
    if item is _BREAK:
        raise CborError("a break stands where an item should be")
    return item, at


def _decode_any(view: memoryview, at: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise CborError(f"nested deeper than {MAX_DEPTH}")
    if at >= len(view):
        raise CborError("the item is cut short")
    initial = view[at]
    major, info = initial >> 5, initial & 31
    if major == 7:
        return _decode_simple(view, at, info)
    if info == 31:
        return _decode_indefinite(view, at + 1, major, depth)
    value, at = _decode_argument(view, at + 1, info)
    if major == 0:
        return value, at
    if major == 1:
        return -1 - value, at
    if value > len(view) - at:
        raise CborError("a length is larger than what follows")
    if major == 2:
        return bytes(view[at : at + value]), at + value
    if major == 3:
        return _text(view[at : at + value]), at + value
    if major == 4:
        return _decode_array(view, at, value, depth)
    if major == 5:
        return _decode_map(view, at, value, depth)
    raise CborError("tags are not part of the subset")


def _decode_argument(view: memoryview, at: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, at
    if info > 27:
        raise CborError("a reserved length code")
    size = 1 << (info - 24)
    if size > len(view) - at:
        raise CborError("the item is cut short")
    return int.from_bytes(view[at : at + size], "big"), at + size


def _text(part: memoryview) -> str:
    try:
        return str(part, "utf-8")
    except UnicodeDecodeError as error:
        raise CborError("a text is not UTF-8") from error


def _decode_simple(view: memoryview, at: int, info: int) -> tuple[Any, int]:
    if info in (20, 21, 22):
        return (False, True, None)[info - 20], at + 1
    if info == 31:
        return _BREAK, at + 1
    if info in (25, 26, 27):
        form = {25: ">e", 26: ">f", 27: ">d"}[info]
        size = struct.calcsize(form)
        if size > len(view) - at - 1:
            raise CborError("the item is cut short")
        return struct.unpack_from(form, view, at + 1)[0], at + 1 + size
    raise CborError("a simple value that is not part of the subset")


def _decode_array(view: memoryview, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _decode(view, at, depth + 1)
        items.append(item)
    return items, at


def _decode_map(view: memoryview, at: int, count: int, depth: int) -> tuple[dict[Any, Any], int]:
    items: dict[Any, Any] = {}
    for _ in range(count):
        key, at = _decode(view, at, depth + 1)
        at = _decode_entry(view, at, depth, items, key)
    return items, at


def _decode_entry(view: memoryview, at: int, depth: int, items: dict[Any, Any], key: Any) -> int:
    if not isinstance(key, (str, int)) or isinstance(key, bool):
        raise CborError("a map key is neither text nor integer")
    if key in items:
        raise CborError("a map has a key twice")
    items[key], at = _decode(view, at, depth + 1)
    return at


def _decode_indefinite(view: memoryview, at: int, major: int, depth: int) -> tuple[Any, int]:
    if major in (2, 3):
        return _decode_chunks(view, at, major, depth)
    if major not in (4, 5):
        raise CborError("an indefinite length where none may be")
    array: list[Any] = []
    items: dict[Any, Any] = {}
    while True:
        item, at = _decode_any(view, at, depth + 1)
        if item is _BREAK:
            return (array if major == 4 else items), at
        if major == 4:
            array.append(item)
        else:
            at = _decode_entry(view, at, depth, items, item)


def _decode_chunks(view: memoryview, at: int, major: int, depth: int) -> tuple[Any, int]:
    chunks: list[Any] = []
    while True:
        if at < len(view) and view[at] != 0xFF and (view[at] >> 5 != major or view[at] & 31 == 31):
            raise CborError("a chunk of another type")
        item, at = _decode_any(view, at, depth + 1)
        if item is _BREAK:
            return (b"" if major == 2 else "").join(chunks), at
        chunks.append(item)
