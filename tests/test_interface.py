"""The interface: quantizing there and back, and damaged documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import ArtifactError, UsageError
from edgeq.interface import Interface, Tensor, differences

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


FULL = Interface(
    (INT8,),
    (FLOAT,),
    ("a", "b"),
    {"input": "audio", "steps": [{"do": "log", "offset": 1e-6}]},
    threshold=0.5,
    smoothing=3,
)


def test_a_full_document_comes_back_and_an_old_one_is_read() -> None:
    assert Interface.from_json(FULL.to_json()) == FULL
    old = {key: FULL.to_json()[key] for key in ("schema", "inputs", "outputs", "labels")}
    assert Interface.from_json(old) == Interface((INT8,), (FLOAT,), ("a", "b"))


def test_preprocessing_that_is_not_what_its_digest_says_is_damaged() -> None:
    document = FULL.to_json()
    document["preprocess"]["steps"][0]["offset"] = 1e-5
    with pytest.raises(ArtifactError, match="digest"):
        Interface.from_json(document)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": (INT8, INT8)}, "1 inputs before, now 2"),
        ({"inputs": (replace(INT8, scale=0.25),)}, "input 'x': scale 0.5, now 0.25"),
        ({"inputs": (replace(INT8, shape=(1, 3, 2)),)}, "input 'x': shape [1, 2, 3], now [1, 3, 2]"),
        ({"outputs": (replace(FLOAT, name="z"),)}, "output 'y': name y, now z"),
        ({"labels": ("b", "a")}, "the labels stand in another order, first at 0: 'a', now 'b'"),
        ({"labels": ("a", "c")}, "label 1: 'b', now 'c'"),
        ({"labels": ("a",)}, "2 labels before, now 1"),
        ({"preprocess": None}, "preprocessing: now the application's"),
        (
            {"preprocess": {"input": "audio", "steps": [{"do": "log", "offset": 1e-5}]}},
            "preprocessing, step 1 (log): offset 1e-06, now 1e-05",
        ),
        ({"preprocess": {"input": "audio", "steps": []}}, "preprocessing: 1 steps before, now 0"),
        ({"preprocess": {**FULL.preprocess, "input": "image"}}, "preprocessing: input changed"),
        ({"threshold": None}, "threshold: 0.5 before, now None"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_changed_is_named(change: dict[str, Any], told: str) -> None:
    assert differences(FULL, replace(FULL, **change)) == [told]
    assert differences(FULL, FULL) == []
