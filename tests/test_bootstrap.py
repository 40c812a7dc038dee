"""The block bootstrap: what it knows of neighbours that are alike, and what it holds (more in test_difference.py)."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.bootstrap import block_quantiles, bootstrap_interval, dependence, quantile_interval
from edgeq.stats import Floats, interval

numbers = st.lists(st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 6)), min_size=3, max_size=200)


def autoregressive(random: np.random.Generator, n: int, rho: float) -> Floats:
    """Standard normal values of which each is `rho` times the one before, and something new."""
    shocks, values = sqrt(1 - rho * rho) * random.standard_normal(n), np.empty(n)
    values[0] = random.standard_normal()
    for index in range(1, n):
        values[index] = rho * values[index - 1] + shocks[index]
    return values


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_the_true_median_is_held(rho: float) -> None:
    random = np.random.default_rng((7, round(10 * rho)))
    seen = [bootstrap_interval(autoregressive(random, 300, rho), resamples=500) for _ in range(100)]
    assert sum(low <= 0 <= high for low, high in seen) >= 90


def test_independent_samples_have_blocks_of_one() -> None:
    found = dependence(np.random.default_rng(1).standard_normal(200))
    assert (found.length, found.factor, found.seen, found.freedom) == (1, 1.0, 1.0, 199.0)
    assert dependence(np.ones(200)).length == dependence(np.arange(10.0)).length == 1


def test_what_autocorrelation_costs_is_found_and_blocks_see_less_of_it() -> None:
    found = dependence(autoregressive(np.random.default_rng(2), 20_000, 0.8))
    assert found.factor == pytest.approx(9, rel=0.15)  # (1 + 0.8) / (1 - 0.8)
    assert found.length > 20 and 0.8 * found.factor < found.seen < found.factor


def test_samples_that_alternate_are_no_better_than_independent_ones() -> None:
    assert dependence(autoregressive(np.random.default_rng(3), 500, -0.7)).factor == 1


def test_runs_are_drawn_each_in_itself() -> None:
    """Two runs that differ: were blocks to cross from one to the other, or runs to be drawn as wholes, the share of
    each would vary."""
    random = np.random.default_rng(6)
    runs = [middle + 1e-3 * random.standard_normal(100) for middle in (1, 2)]
    drawn = block_quantiles(runs, 0.49, 500, np.random.default_rng(0), student=False)
    assert drawn.max() < 1.01


def test_it_spreads_as_student_s_t_where_its_variance_is_not_known() -> None:
    values = autoregressive(np.random.default_rng(4), 200, 0.9)
    known, unknown = (
        block_quantiles([values], 0.5, 4000, np.random.default_rng(0), student=student) for student in (False, True)
    )
    assert np.ptp(np.quantile(unknown, (0.025, 0.975))) > 1.05 * np.ptp(np.quantile(known, (0.025, 0.975)))


def test_very_many_samples_take_the_limit_of_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = autoregressive(np.random.default_rng(5), 2000, 0.5)
    drawn = np.ptp(bootstrap_interval(values))
    monkeypatch.setattr("edgeq.bootstrap.MOST_DRAWN", 1999)
    limit = np.ptp(bootstrap_interval(values))
    assert limit == pytest.approx(drawn, rel=0.15) and limit != drawn


@given(numbers, st.sampled_from((0.5, 0.9, 0.99)))
@settings(max_examples=50)
def test_it_sees_nothing_beyond_its_values_and_is_the_same_every_time(values: list[float], quantile: float) -> None:
    low, high = bootstrap_interval(values, quantile, resamples=50)
    assert min(values) <= low <= high <= max(values)
    assert (low, high) == bootstrap_interval(values, quantile, resamples=50)


def test_neighbours_that_are_alike_widen_the_interval() -> None:
    random = np.random.default_rng(4)
    slow = np.repeat(random.standard_normal(100), 10)  # each disturbance lasts for ten samples
    alike, mixed = bootstrap_interval(slow, 0.5), bootstrap_interval(random.permutation(slow), 0.5)
    assert alike[1] - alike[0] > 1.5 * (mixed[1] - mixed[0])


def test_a_quantile_that_values_bound_needs_no_bootstrap() -> None:
    values = np.random.default_rng(2).exponential(size=100)
    assert quantile_interval(values, 0.95) == (*interval(values, 0.95), "order statistics")
    assert quantile_interval(values, 0.99) == (*bootstrap_interval(values, 0.99), "bootstrap")
