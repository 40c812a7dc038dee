"""The solver finds the costs that made the data, and lets no stray value move them far."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.estimate.solve import fit

WORK = [[1.0, 1000.0 * 2**step, 10.0 * (7 + step % 3)] for step in range(12)]


@settings(max_examples=60)
@given(st.tuples(*[st.floats(0.01, 100)] * 3), st.floats(1e-3, 1e6))
def test_costs_that_made_the_data_are_found(costs: tuple[float, ...], factor: float) -> None:
    work = np.array(WORK)
    took = factor * work @ np.array(costs)
    found = fit(WORK, took, 0 * took)
    assert work @ found == pytest.approx(took, rel=1e-5)
    assert (found >= 0).all()


def test_no_cost_is_negative() -> None:
    falling = fit([[1, 10], [1, 100], [1, 1000]], [30, 20, 10], [0, 0, 0])
    assert falling[1] == 0 and 10 < falling[0] < 30


def test_one_stray_value_moves_little() -> None:
    rng = np.random.default_rng(1)
    work = np.array(WORK)[:, :2]
    clean = work @ np.array([50.0, 2.0]) * rng.normal(1, 0.01, len(work))
    spoilt = clean.copy()
    spoilt[5] *= 10
    before, after = (fit(work, took, 0 * took) for took in (clean, spoilt))
    assert work @ after == pytest.approx(work @ before, rel=0.05)
    plain = np.linalg.lstsq(work / spoilt[:, None], np.ones(len(work)), rcond=None)[0]
    assert abs(plain[1] / 2 - 1) > abs(after[1] / 2 - 1)


def test_errors_count_in_proportion() -> None:
    """Small ops weigh as much as large ones: twice too much here is as bad as twice too little there."""
    found = fit([[1.0], [100.0]], [2.0, 50.0], [0, 0])
    assert float(found[0]) == pytest.approx(1.0, rel=1e-3)


def test_what_took_nothing_costs_nothing() -> None:
    assert fit([[1, 5], [1, 9]], [0, 0], [10, 10]).tolist() == [0, 0]
