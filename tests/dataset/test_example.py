from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import mutated
from records import example, field, varint

from edgeq.dataset.example import NotAnExample, read_example

VALUES = st.one_of(
    st.lists(st.binary(max_size=20), min_size=1, max_size=4),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=9),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9),
)


@settings(max_examples=100)
@given(st.dictionaries(st.text("abc/", min_size=1, max_size=5), VALUES, max_size=4), st.booleans())
def test_what_was_written_comes_back(features: dict[str, Any], packed: bool) -> None:
    found = read_example(example(packed, **features))
    assert list(found) == list(features)
    for name, values in features.items():
        value = found[name]
        assert (value if isinstance(value, list) else value.tolist()) == values


def test_types() -> None:
    found = read_example(example(f=[0.5], i=[-1]))
    assert isinstance(found["f"], np.ndarray) and found["f"].dtype == np.float32
    assert isinstance(found["i"], np.ndarray) and found["i"].dtype == np.int64
    assert read_example(b"") == {}


def test_unknown_fields_are_skipped() -> None:
    strange = varint(9 << 3) + varint(300) + varint(10 << 3 | 1) + bytes(8) + field(11, b"abc")
    assert list(read_example(strange + example(a=[1]) + strange)) == ["a"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x0a\x05\x01", "5 bytes, and 1 are left"),
        (b"\x0a", "ends inside of a number"),
        (b"\xff" * 11, "more than ten bytes"),
        (b"\x0b", "wire type 3 is unknown"),
        (b"\x08\x01", "is a number, not a message"),
        (field(1, field(1, field(1, b"\xff") + field(2, b""))), "no text"),
        (field(1, field(1, field(1, b"a") + field(2, field(2, field(1, b"123"))))), "something else than floats"),
        (field(1, field(1, field(1, b"a") + field(2, field(3, b"\x0d1234")))), "something else than whole numbers"),
        (field(1, field(1, field(1, b"a") + field(2, b"\x08\x01"))), "wire type 0"),
    ],
)
def test_broken_bytes_are_told(data: bytes, words: str) -> None:
    with pytest.raises(NotAnExample, match=words):
        read_example(data)


@settings(max_examples=300)
@given(st.data())
def test_mutated_bytes_raise_nothing_else(data: st.DataObject) -> None:
    original = example(a=[1, 2, 300], b=[0.5, 1.5], c=[b"abc", b""], d=[2**40])
    try:
        read_example(mutated(data, original))
    except NotAnExample as error:
        assert str(error)
