"""The core's CBOR against the host's, item by item, and against hostile bytes."""

from __future__ import annotations

import struct
from typing import Any

import cbor2
import pytest
from cdrive import Ask
from hypothesis import assume, given
from hypothesis import strategies as st

from edgeq.protocol import cbor
from edgeq.protocol.status import Status

ROOM = struct.pack("<I", 1 << 16)
INVALID, NOT_FOUND, NO_SPACE, UNSUPPORTED = -Status.INVALID, -Status.NOT_FOUND, -Status.NO_SPACE, -Status.UNSUPPORTED

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
scalars = st.none() | st.booleans() | st.integers(0, (1 << 32) - 1) | st.binary(max_size=300) | texts
everything = scalars | st.integers(-(1 << 64), (1 << 64) - 1) | st.floats(allow_nan=False)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = texts | st.integers(0, 1000)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=30) | st.dictionaries(keys, inner, max_size=30),
        max_leaves=20,
    )


def why_not(data: bytes) -> str:
    """Why the host refuses these bytes; empty where it does not."""
    try:
        cbor.loads(data)
    except cbor.CborError as error:
        return str(error)
    return ""


@given(item=nested(scalars))
def test_what_the_host_writes_is_read_and_written_alike(drive: Ask, item: Any) -> None:
    data = cbor.dumps(item)
    assert drive("cbor", ROOM + data) == (0, data)


@given(item=nested(everything))
def test_every_item_of_the_subset_is_accepted(drive: Ask, item: Any) -> None:
    for data in (cbor.dumps(item), cbor2.dumps(item, canonical=True)):
        assert drive("cbor", ROOM + data)[0] in (0, UNSUPPORTED)


def spoil(data: bytes, at: int, byte: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes((byte,)) + data[at + 1 :]


hostile = st.binary(max_size=60) | st.builds(
    spoil, nested(everything).map(cbor.dumps), st.integers(0, 1 << 16), st.integers(0, 255)
)


@given(data=hostile)
def test_it_refuses_what_the_host_refuses(drive: Ask, data: bytes) -> None:
    # The core leaves UTF-8 and keys that it does not look up to the host.
    reason = why_not(data)
    assume("UTF-8" not in reason and "twice" not in reason)
    assert (drive("cbor", ROOM + data)[0] == INVALID) == bool(reason)


@pytest.mark.parametrize(
    "data",
    ["", "ff", "1c", "58ff00", "9bffffffffffffffff", "c000", "f7", "f800", "0000", "5f4101614100ff",
     "5f5f4100ffff", "5f00ff", "1f", "a1f500", "bf6161ff", "81" * 40, "9fff" * 2, "bfff00", "a1ff00", "81ff",
     "bf616101ff00", "9f" * 17 + "ff" * 17, "81" * 17 + "00", "b9ffff" + "00" * 60, "7f", "5f41"],
)  # fmt: skip
def test_refused(drive: Ask, data: str) -> None:
    assert why_not(bytes.fromhex(data))
    assert drive("cbor", ROOM + bytes.fromhex(data)) == (INVALID, b"")


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        ("bf61610161629fffff", "a261610161 6280"),
        ("9f018202039fffff", "83 01 820203 80"),
        ("bf61619f0102ff6162bf0304ffff", "a26161 820102 6162 a10304"),
        ("81" * 16 + "00", "81" * 16 + "00"),
        ("1a00000001", "01"),
    ],
)
def test_indefinite_lengths_and_long_heads_are_read(drive: Ask, data: str, plain: str) -> None:
    assert drive("cbor", ROOM + bytes.fromhex(data)) == (0, bytes.fromhex(plain))


@given(item=nested(scalars), room=st.integers(0, 200))
def test_what_does_not_fit_is_said(drive: Ask, item: Any, room: int) -> None:
    data = cbor.dumps(item)
    status, written = drive("cbor", struct.pack("<I", room) + data)
    assert status == (0 if len(data) <= room else NO_SPACE)
    assert data.startswith(written) and len(written) <= room


@given(value=st.integers(0, (1 << 64) - 1))
def test_integers_are_written_with_the_shortest_head(drive: Ask, value: int) -> None:
    assert drive("integer", struct.pack("<Q", value)) == (0, cbor.dumps(value))


keys = st.text("abc", min_size=1, max_size=3)


@given(
    body=st.dictionaries(keys | st.integers(0, 30), nested(everything), max_size=8), key=keys, indefinite=st.booleans()
)
def test_a_key_is_found_where_it_is(drive: Ask, body: dict[Any, Any], key: str, indefinite: bool) -> None:
    data = cbor.dumps(body)
    if indefinite:
        data = b"\xbf" + data[1:] + b"\xff"
    status, offset = drive("find", key.encode().ljust(8, b"\0") + data)
    if key not in body:
        assert status == NOT_FOUND
    else:
        value = cbor.dumps(body[key])
        assert status == 0
        assert data[struct.unpack("<I", offset)[0] :].startswith(value)


@pytest.mark.parametrize("data", ["a2616101616102", "80", "00"])
def test_a_key_that_occurs_twice_is_not_found_nor_one_in_no_map(drive: Ask, data: str) -> None:
    assert drive("find", b"a".ljust(8, b"\0") + bytes.fromhex(data))[0] == INVALID
