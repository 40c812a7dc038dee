from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.interface import Tensor
from edgeq.passport.figures import is_number, rounded
from edgeq.passport.histogram import BINS, even, of_tensor

INT8 = Tensor("x", (1, 4), "int8", 0.1, -3)


def test_numbers_have_seven_digits() -> None:
    assert rounded(1 / 3) == 0.3333333
    assert rounded(np.float32(1e-9) / 3) == pytest.approx(1e-9 / 3, rel=1e-6)
    assert [is_number(value) for value in (1, 1.5, True, None, "1", float("nan"), float("inf"), 10**400)] == [
        *(True, True),
        *(False,) * 6,
    ]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@settings(max_examples=40)
@given(st.floats(1e-4, 100), st.integers(-100, 100))
def test_a_device_counts_integers_as_the_host_counts_real_values(dtype: str, scale: float, zero_point: int) -> None:
    tensor = Tensor("x", (1,), dtype, scale, zero_point)
    bins, limits = of_tensor(tensor, 0, 0), np.iinfo(dtype)
    codes = np.arange(limits.min, limits.max + 1, 97 if dtype == "int16" else 1).astype(dtype)
    counter = bins.counter()
    counter.add(tensor.dequantize(codes))
    group = (limits.max - limits.min + 1) // BINS
    expected = np.bincount((codes.astype(int) - limits.min) // group, minlength=BINS)
    assert counter.counts.tolist() == expected.tolist()
    assert (counter.below, counter.above) == (0, 0)


def test_what_lies_outside_counts_at_the_ends_and_apart() -> None:
    counter = of_tensor(INT8, 0, 0).counter()
    counter.add(np.array([-1e6, -20.0, 0.0, 1e6]))
    assert (counter.below, counter.above) == (2, 1)
    assert counter.to_json()["counts"][0] == 2
    assert counter.to_json()["counts"][-1] == 1
    assert counter.counts.sum() == 4


def test_floats_have_even_edges_also_where_all_are_equal() -> None:
    float32 = Tensor("x", (1,), "float32", 0.0, 0)
    assert of_tensor(float32, -1, 1).edges == even(-1, 1).edges
    assert len(set(even(2, 2).edges)) == BINS + 1
    counter = even(2, 2).counter()
    counter.add(np.full(5, 2.0))
    assert counter.counts.sum() == 5
