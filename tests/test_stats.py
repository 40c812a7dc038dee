"""Statistics against worked values, and properties that hold for all of them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.stats import (
    bounds,
    histogram_bins,
    interval,
    outliers,
    paired_difference,
    summarize,
    wilson,
)

finite = st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 6))
many = st.lists(finite, min_size=1, max_size=200)


def test_summary_of_known_values() -> None:
    summary = summarize([4, 1, 3, 2, 10])
    assert (summary.n, summary.mean, summary.min, summary.max, summary.p50) == (5, 4.0, 1.0, 10.0, 3.0)
    assert summary.std == pytest.approx(3.5355339, rel=1e-7)  # sqrt((0 + 9 + 1 + 4 + 36) / 4)
    assert summary.p90 == pytest.approx(7.6)  # type 7: rank 0.9 * 4 = 3.6 between 4 and 10
    assert summary.p95 == pytest.approx(8.8)
    assert summary.p99 == pytest.approx(9.76)
    assert summary.mad == 1.0  # |4-3|, |1-3|, 0, |2-3|, |10-3| -> median of 0 1 1 2 7


def test_summary_of_one_value() -> None:
    summary = summarize([7.5])
    assert (summary.mean, summary.std, summary.p50, summary.p99, summary.mad) == (7.5, 0.0, 7.5, 7.5, 0.0)


@pytest.mark.parametrize("function", [summarize, interval, outliers, histogram_bins])
def test_nothing_is_a_usage_error(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="no values"):
        function([])
    with pytest.raises(UsageError, match="NaN or infinity"):
        function([1.0, float("nan")])


@given(many)
def test_summary_is_ordered(values: list[float]) -> None:
    s = summarize(values)
    assert s.min <= s.p50 <= s.p90 <= s.p95 <= s.p99 <= s.max
    assert s.min <= s.mean <= s.max
    assert s.mad >= 0
    assert s.std >= 0


@given(finite, st.integers(1, 50))
def test_equal_values_have_no_spread(value: float, n: int) -> None:
    s = summarize([value] * n)
    assert s.mean == s.p50 == s.p99 == value
    assert s.mad == 0
    assert outliers([value] * n) == ()
    assert interval([value] * n) == (value, value)
    assert histogram_bins([value] * n) == 1


def test_interval_of_the_median_follows_the_binomial_table() -> None:
    # Textbook (Conover, sign test): n = 10 -> 2nd and 9th value; n = 20 -> 6th and 15th; n = 100 -> 40th and 61st.
    assert interval(range(1, 11)) == (2, 9)
    assert interval(range(1, 21)) == (6, 15)
    assert interval(range(1, 101)) == (40, 61)


def test_interval_of_few_values_is_their_range() -> None:
    assert interval([3.0]) == (3.0, 3.0)
    assert interval([1.0, 2.0, 3.0]) == (1.0, 3.0)


@pytest.mark.parametrize(("quantile", "fewest"), [(0.5, 6), (0.1, 36), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_fewest_values_that_bound_a_quantile(quantile: float, fewest: int) -> None:
    assert bounds(fewest, quantile)
    assert not bounds(fewest - 1, quantile)


def test_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(500):
        low, high = interval(random.exponential(size=60))
        hits += low <= np.log(2) <= high
    assert 0.93 <= hits / 500 <= 0.99


@given(many, st.floats(0.05, 0.95), st.floats(0.8, 0.99))
def test_interval_holds_the_sample_quantile(values: list[float], quantile: float, confidence: float) -> None:
    low, high = interval(values, quantile, confidence)
    assert min(values) <= low <= high <= max(values)
    assert low <= np.percentile(values, quantile * 100, method="higher") + 1e-6
    assert high >= np.percentile(values, quantile * 100, method="lower") - 1e-6


@pytest.mark.parametrize(("quantile", "confidence"), [(0, 0.9), (1, 0.9), (0.5, 1), (0.5, 0)])
def test_interval_checks_its_fractions(quantile: float, confidence: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        interval([1.0], quantile, confidence)


def test_large_interval_does_not_overflow() -> None:
    low, high = interval(np.arange(20_001.0))
    assert 9_855 <= low <= 9_865  # 10000 -+ 1.96 * sqrt(20001) / 2 = -+ 138.6
    assert 10_135 <= high <= 10_145


def test_outliers_of_known_values() -> None:
    assert outliers([10, 11, 10, 12, 11, 10, 50, 11]) == (6,)
    assert outliers([5, 5, 5, 5, 5, 9]) == (5,)  # MAD is 0: the mean absolute deviation decides
    assert outliers([1.0]) == ()


@given(many, st.floats(0.5, 100), st.floats(-1000, 1000))
def test_outliers_do_not_depend_on_the_median_side(values: list[float], _scale: float, _shift: float) -> None:
    assert outliers(values) == outliers([-value for value in values])


def test_paired_difference_of_known_vectors() -> None:
    right = np.array([1] * 90 + [0] * 10)
    other = np.array([1] * 85 + [0] * 15)
    mean, low, high = paired_difference(right, other)
    assert mean == pytest.approx(0.05)
    # Five of 100 pairs differ: resampled means are Binomial(100, 0.05) / 100, with 2.5 % and 97.5 % points 1 and 10.
    assert (low, high) == (pytest.approx(0.01), pytest.approx(0.10))


def test_pairing_narrows_the_interval() -> None:
    random = np.random.default_rng(3)
    hard = random.normal(size=400)
    a, b = hard + 0.1, hard
    mean, low, high = paired_difference(a, b)
    assert mean == pytest.approx(0.1)
    assert high - low < 1e-9
    unpaired = paired_difference(a, random.permutation(b))
    assert unpaired[2] - unpaired[1] > 0.1


def test_general_values_agree_with_normal_theory() -> None:
    difference = np.random.default_rng(5).normal(0.3, 2.0, 900)
    mean, low, high = paired_difference(difference, np.zeros(900))
    half = 1.96 * difference.std(ddof=1) / 30
    assert low == pytest.approx(mean - half, abs=0.02)
    assert high == pytest.approx(mean + half, abs=0.02)


def test_counts_and_picks_draw_from_the_same_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.random.default_rng(0).integers(0, 2, 300)
    fast = paired_difference(a, 1 - a)
    jittered = paired_difference(a + np.linspace(0, 1e-9, 300), 1 - a)
    assert jittered == pytest.approx(fast, abs=0.012)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=60), st.integers(0, 5))
def test_paired_difference_is_deterministic_and_bounded(pairs: list[tuple[float, float]], seed: int) -> None:
    a, b = zip(*pairs, strict=True)
    first = paired_difference(a, b, resamples=200, seed=seed)
    assert first == paired_difference(a, b, resamples=200, seed=seed)
    differences = np.subtract(a, b)
    slack = 1e-9 * (1 + np.abs(differences).max())
    assert differences.min() - slack <= first[1] <= first[2] <= differences.max() + slack


def test_no_difference_is_exactly_none() -> None:
    assert paired_difference([1, 0, 1], [1, 0, 1]) == (0.0, 0.0, 0.0)


def test_paired_difference_refuses_what_is_not_paired() -> None:
    with pytest.raises(UsageError, match="3 and 2"):
        paired_difference([1, 2, 3], [1, 2])
    with pytest.raises(UsageError, match="first side"):
        paired_difference([], [])
    with pytest.raises(UsageError, match="resamples"):
        paired_difference([1], [1], resamples=0)


def test_a_large_vector_is_quick() -> None:
    a = np.random.default_rng(0).integers(0, 2, 1_000_000)
    start = time.process_time()
    paired_difference(a, a)
    paired_difference(a, 1 - a)
    assert time.process_time() - start < 5


def test_histogram_bins_follow_the_spread() -> None:
    assert histogram_bins(np.linspace(0, 1, 1000)) == 10  # 1000^(1/3) / (2 * 0.5)
    assert histogram_bins([1, 1, 1, 1, 9]) == 5  # no spread between quartiles
    assert histogram_bins([*np.linspace(0, 1, 100), 1e6]) == 40


def test_where_all_are_right_the_interval_of_a_share_is_no_point() -> None:
    low, high = wilson(1.0, 100)
    assert (round(low, 4), high) == (0.963, 1.0)  # 100 of 100; Newcombe (1998) has such figures.
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
