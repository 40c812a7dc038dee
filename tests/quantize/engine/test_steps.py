from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.quantize.engine.steps import Steps


def size(values: np.ndarray) -> float:
    steps = Steps()
    for part in np.array_split(values, 3):
        steps.add(part)
    return steps.size()


@settings(max_examples=50)
@given(step=st.floats(1e-3, 10), zero=st.integers(-128, 127), seed=st.integers(0, 99))
def test_dequantized_bytes_tell_their_step(step: float, zero: int, seed: int) -> None:
    bytes_ = np.random.default_rng(seed).integers(-128, 128, 3000)
    values = ((bytes_ - zero) * np.float32(step)).astype(np.float32)
    if zero < bytes_.min() or zero > bytes_.max():
        return
    assert size(values) == pytest.approx(step, rel=1e-3)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).normal(size=3000),
        np.arange(400.0),
        np.array([0.0, 1.0] * 50),
        np.arange(100) + 0.3,
    ],
    ids=["reals", "too many", "too few", "beside 0"],
)
def test_other_values_have_none(values: np.ndarray) -> None:
    assert size(values.astype(np.float32)) == 0
