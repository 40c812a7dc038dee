"""The interval of a difference: what it finds, what it does not, and how often it is wrong, over simulated pairs.

Figures of docs/compare.md come from here: `PRINT=1 PAIRS=1000 pytest -s` prints them.
"""

from __future__ import annotations

import os
from math import inf, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sides import timed

from edgeq.bootstrap import dependence
from edgeq.compare.difference import difference, resolution
from edgeq.compare.judge import judge
from edgeq.compare.policy import parse_policy

Floats = NDArray[np.float64]
PAIRS, N, NOISE, MARGIN = 200, 200, 0.03, 0.02
FEW_PAIRS = int(os.environ.get("PAIRS", "50"))
"""Of each correlation: enough to see an interval that is far too narrow."""
ALL = [(200, 0.0), (200, 0.5), (200, 0.9), (1000, 0.9), (1000, 0.5), (1000, 0.0)]
"""Samples, and how alike neighbours are; more samples are no harder where these are less alike."""
TRUTH = 1e6
MOST_ERRORS = 0.05
(RULE,) = parse_policy('[metrics.p50]\nmax_regression = "2%"', "the test").rules


def normal(random: np.random.Generator, n: int = N) -> Floats:
    return NOISE * random.standard_normal(n)


def correlated(random: np.random.Generator, n: int = N, rho: float = 0.5, lead: int = 50) -> Floats:
    """Successive samples are alike (AR(1)), with the same spread; `lead` are made before them and dropped."""
    values = sqrt(1 - rho * rho) * random.standard_normal(n + lead)
    for index in range(1, n + lead):
        values[index] += rho * values[index - 1]
    return NOISE * values[lead:]


def heavy(random: np.random.Generator, n: int = N) -> Floats:
    """Student's t with two degrees of freedom: its variance is infinite; and 3 % of samples take half as long again."""
    return NOISE * 0.7 * random.standard_t(2, n) + 0.5 * (random.random(n) < 0.03)


def pairs(noise: Any, seed: int) -> list[tuple[Floats, Floats]]:
    random = np.random.default_rng(seed)
    return [(TRUTH * (1 + noise(random)), TRUTH * (1 + noise(random))) for _ in range(PAIRS)]


def told(name: str, **figures: float) -> None:
    if os.environ.get("PRINT"):
        print(name, {key: round(value, 4) for key, value in figures.items()})


@pytest.mark.parametrize("noise", [normal, correlated, heavy], ids=lambda noise: noise.__name__)
def test_five_percent_are_found_and_one_is_not(noise: Any) -> None:
    """One interval of each pair serves for both: a factor on one side moves it by that factor (tested below)."""
    found = false = unsure = covered = 0
    for base, new in pairs(noise, seed=7):
        seen = difference([base], [new])
        assert seen.low is not None and seen.high is not None
        found += (1 + seen.low) * 1.05 - 1 > MARGIN
        false += (1 + seen.low) * 1.01 - 1 > MARGIN
        unsure += (1 + seen.low) * 1.01 - 1 <= MARGIN < (1 + seen.high) * 1.01 - 1
        covered += seen.low <= 0 <= seen.high
    told(noise.__name__, missed=1 - found / PAIRS, false=false / PAIRS, unsure=unsure / PAIRS, covered=covered / PAIRS)
    assert 1 - found / PAIRS <= MOST_ERRORS
    assert false / PAIRS <= MOST_ERRORS
    assert covered / PAIRS >= 0.90


@pytest.mark.parametrize(("n", "rho"), ALL if "PAIRS" in os.environ else ALL[:4])
def test_correlation_makes_intervals_wide_and_not_wrong(n: int, rho: float) -> None:
    """A side of samples that are worth fewer than six has no interval: that is no error."""
    random = np.random.default_rng(100 + int(rho * 10) + n)
    sides = [[TRUTH * (1 + correlated(random, n, rho, 200)) for _ in range(2)] for _ in range(FEW_PAIRS)]
    seen = [difference([base], [new]) for base, new in sides]
    bounded = [(each.low, each.high) for each in seen if each.low is not None and each.high is not None]
    covered = sum(low <= 0 <= high for low, high in bounded) / len(bounded)
    found, false = (sum((1 + low) * (1 + by) - 1 > MARGIN for low, _ in bounded) / FEW_PAIRS for by in (0.05, 0.01))
    width, none = float(np.mean([high - low for low, high in bounded])), 1 - len(bounded) / FEW_PAIRS
    told(f"n={n} rho={rho}", covered=covered, width=width, found=found, false=false, none=none)
    assert covered >= 0.84  # of 50; below that once in five hundred times where 95 % hold the truth
    assert false <= MOST_ERRORS
    assert none == 0 or (rho, n) == (0.9, 200)


def test_the_policy_finds_them_in_runs_alike() -> None:
    """The same through runs and the policy, on fewer pairs."""
    answers = {0.05: [], 0.01: []}  # type: dict[float, list[str]]
    for base, new in pairs(normal, seed=8)[:20]:
        for change, found in answers.items():
            found.append(judge(RULE, [timed(base)], [timed(new * (1 + change))], 0.95).status)
    assert answers[0.05] == ["regression"] * 20
    assert "regression" not in answers[0.01]


def test_a_factor_moves_the_interval_by_that_factor() -> None:
    base, new = pairs(normal, seed=9)[0]
    plain, slower = difference([base], [new]), difference([base], [new * 1.05])
    assert plain.low is not None and slower.low is not None
    assert slower.change == pytest.approx((1 + plain.change) * 1.05 - 1)
    assert slower.low == pytest.approx((1 + plain.low) * 1.05 - 1, abs=2e-4)


def test_correlated_samples_count_less_and_widen_the_interval() -> None:
    random = np.random.default_rng(1)
    apart, alike = normal(random), correlated(random, rho=0.8)
    assert dependence(apart).length == 1
    length = dependence(alike).length
    assert length > 5
    loose, tight = difference([1 + alike], [1 + alike]), difference([1 + apart], [1 + apart])
    assert None not in (loose.low, loose.high, tight.low, tight.high)
    assert loose.high - loose.low > 1.5 * (tight.high - tight.low)  # type: ignore[operator]
    assert loose.effective[0] < N / 3 and loose.block == length


def test_runs_that_differ_by_more_than_their_noise_widen_the_interval() -> None:
    random = np.random.default_rng(2)
    alike = [TRUTH * (1 + normal(random)) for _ in range(6)]
    apart = [run * factor for run, factor in zip(alike, (1, 1.04, 0.97, 1.03, 0.98, 1.01), strict=True)]
    close, wide = difference(alike[:3], alike[3:]), difference(apart[:3], apart[3:])
    assert None not in (close.low, close.high, wide.low, wide.high)
    assert wide.between > 0.01 > close.between
    assert wide.high - wide.low > 3 * (close.high - close.low)  # type: ignore[operator]


def test_several_runs_that_agree_make_it_narrower() -> None:
    random = np.random.default_rng(3)
    runs = [TRUTH * (1 + normal(random)) for _ in range(8)]
    one, four = difference(runs[:1], runs[4:5]), difference(runs[:4], runs[4:])
    assert None not in (one.low, one.high, four.low, four.high)
    assert four.high - four.low < one.high - one.low  # type: ignore[operator]


def test_equal_samples_are_compared_exactly() -> None:
    seen = difference([[4_564_148.0] * 30], [[4_564_149.0] * 30], relative=False)
    assert (seen.change, seen.low, seen.high) == (1, 1, 1)
    same = difference([[4_564_148.0] * 30], [[4_564_148.0] * 30])
    assert (same.change, same.low, same.high) == (0, 0, 0)


def test_a_coarse_clock_widens_by_its_step() -> None:
    assert resolution([np.array([10.0, 11.0] * 20)]) == 1
    assert resolution([np.arange(40.0)]) == 0
    seen = difference([[10.0] * 90 + [11.0] * 10], [[11.0] * 90 + [10.0] * 10])
    assert seen.change == pytest.approx(0.1)
    assert seen.low == pytest.approx(0)


@pytest.mark.parametrize(("quantile", "fewest"), [(0.5, 6), (0.9, 36), (0.99, 368)])
def test_too_few_samples_give_no_interval(quantile: float, fewest: int) -> None:
    values = np.random.default_rng(4).standard_normal(fewest) + 10
    assert difference([values[:-1]], [values[:-1]], quantile).low is None
    assert difference([values], [values], quantile).low is not None


def test_a_clock_that_often_reads_0_has_an_interval_too() -> None:
    seen = difference([[0.0, 1.0, 1.0] * 20], [[1.0, 1.0, 0.0, 1.0] * 15])
    assert seen.base == seen.new == 1 and seen.low is not None and seen.high is not None
    assert seen.low <= 0 <= seen.high


@given(
    st.lists(st.floats(1, 1e9), min_size=2, max_size=60),
    st.lists(st.floats(1, 1e9), min_size=2, max_size=60),
    st.sampled_from([0.5, 0.9]),
    st.booleans(),
)
@settings(max_examples=40)
def test_the_interval_holds_the_difference(
    base: list[float], new: list[float], quantile: float, relative: bool
) -> None:
    seen = difference([base], [new], quantile, relative=relative)
    assert seen == difference([base], [new], quantile, relative=relative)  # the same again, bit by bit
    low = -inf if seen.low is None else seen.low
    high = inf if seen.high is None else seen.high
    assert low <= seen.change <= high
