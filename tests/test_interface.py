"""The interface: quantizing there and back, and damaged documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import ArtifactError, UsageError
from edgeq.interface import Interface, Tensor

INT8 = Tensor("x", (1, 2, 3), "int8", 0.5, -10)
FLOAT = Tensor("y", (1, 4), "float32", 0.0, 0)


@given(st.integers(-128, 127))
def test_every_integer_comes_back(raw: int) -> None:
    value = np.array([raw], np.int8)
    assert INT8.quantize(INT8.dequantize(value)) == value


@given(st.floats(-1e30, 1e30))
def test_reals_are_rounded_and_clipped(real: float) -> None:
    raw = float(INT8.quantize(np.array([real]))[0])
    low, high = (-128 + 10) * 0.5, (127 + 10) * 0.5
    assert abs((raw + 10) * 0.5 - min(max(real, low), high)) <= 0.25


def test_float_tensors_pass_unchanged() -> None:
    value = np.array([1.5, -2.25], np.float32)
    np.testing.assert_array_equal(FLOAT.quantize(value), value)
    np.testing.assert_array_equal(FLOAT.dequantize(value), value)
    assert (INT8.size_bytes, FLOAT.size_bytes) == (6, 16)


def test_samples_take_one_or_many_and_say_what_they_want() -> None:
    assert INT8.samples(np.zeros((2, 3))).shape == (1, 2, 3)
    assert INT8.samples(np.zeros((5, 2, 3))).shape == (5, 2, 3)
    for shape in ((5, 3, 2), (0, 2, 3), (6,)):
        with pytest.raises(UsageError, match=r"wants shape \[2, 3\]"):
            INT8.samples(np.zeros(shape))
    with pytest.raises(UsageError, match="not finite"):
        INT8.samples(np.full((2, 3), np.nan))


def test_the_document_comes_back() -> None:
    interface = Interface((INT8,), (FLOAT,), ("a", "b"))
    assert Interface.from_json(interface.to_json()) == interface


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"inputs": [{}]},
        {"inputs": 3},
        {"inputs": [{"name": "x", "shape": [0], "dtype": "int8", "scale": 1, "zero_point": 0}]},
        {"inputs": [{"name": "x", "shape": [1], "dtype": "object", "scale": 1, "zero_point": 0}]},
        {"labels": None},
    ],
    ids=str,
)
def test_damaged_documents_are_told(change: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError):
        Interface.from_json({**Interface((INT8,), (FLOAT,)).to_json(), **change})
