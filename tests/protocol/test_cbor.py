"""The CBOR subset against cbor2, and against hostile bytes."""

from __future__ import annotations

import math
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.protocol import cbor

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300)
    | st.text(max_size=100)
)
items = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(st.text(max_size=8) | st.integers(-1000, 1000), inner, max_size=30)
    ),
    max_leaves=20,
)


@given(items)
def test_what_we_write_both_read(item: Any) -> None:
    data = cbor.dumps(item)
    assert cbor.loads(data) == item
    assert cbor2.loads(data) == item


@given(items)
def test_what_cbor2_writes_we_read(item: Any) -> None:
    assert cbor.loads(cbor2.dumps(item)) == item
    assert cbor.loads(cbor2.dumps(item, canonical=True)) == item


@given(st.recursive(scalars.filter(lambda x: not isinstance(x, float)), lambda i: st.lists(i, max_size=5)))
def test_bytes_equal_those_of_cbor2(item: Any) -> None:
    assert cbor.dumps(item) == cbor2.dumps(item)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    try:
        cbor.loads(data)
    except cbor.CborError:
        return


@pytest.mark.parametrize(
    ("data", "item"),
    [
        ("bf61610161629fff ff", {"a": 1, "b": []}),
        ("9f018202039fff ff", [1, [2, 3], []]),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("f93c00", 1.0),
        ("fa47c35000", 100000.0),
        ("f97c00", math.inf),
    ],
)
def test_vectors_of_rfc_8949(data: str, item: Any) -> None:
    assert cbor.loads(bytes.fromhex(data)) == item


@pytest.mark.parametrize(
    "data",
    ["", "ff", "1c", "58ff00", "9bffffffffffffffff", "c000", "f7", "f800", "62ff00", "0000", "a2616101616102",
     "5f4101614100ff", "5f5f4100ffff", "5f00ff", "1f", "a1f500", "bf6161ff", "81" * 40],
)  # fmt: skip
def test_refused(data: str) -> None:
    with pytest.raises(cbor.CborError):
        cbor.loads(bytes.fromhex(data))


def test_integers_beyond_64_bits_and_foreign_types_are_refused() -> None:
    with pytest.raises(cbor.CborError):
        cbor.dumps(1 << 64)
    with pytest.raises(TypeError):
        cbor.dumps({1, 2})
