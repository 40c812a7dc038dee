from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeq.quantize.engine.histogram import Histogram
from edgeq.quantize.engine.ranges import MANY, METHODS, PLAIN, Range, ranges
from edgeq.quantize.engine.statistics import Statistics, TensorStatistics
from edgeq.quantize.recipe import METHODS as NAMES
from edgeq.quantize.recipe import Ranging

Floats = NDArray[np.float32]
values = st.lists(st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4), min_size=1, max_size=12).map(
    lambda rows: np.array(rows, np.float32)
)


def seen(rows: Floats, name: str = "t") -> TensorStatistics:
    """Of a tensor that was `rows[i]` for sample i."""
    histogram = Histogram()
    histogram.add(rows)
    none = np.zeros(1, np.float32)
    return TensorStatistics(name, rows.min(axis=1), rows.max(axis=1), none.astype(float), none, none, histogram)


def found(rows: Floats, how: Ranging, step: float = 0.0) -> Range:
    return ranges(Statistics({"t": replace(seen(rows), step=step)}, len(rows)), how)["t"]


def test_every_method_of_a_recipe_exists() -> None:
    assert tuple(METHODS) == NAMES and PLAIN in NAMES


@settings(max_examples=60)
@given(rows=values, method=st.sampled_from(NAMES), headroom=st.sampled_from([0.0, 1.0, 2.0]))
def test_a_range_holds_0_and_is_finite(rows: Floats, method: str, headroom: float) -> None:
    each = found(rows, Ranging(method, headroom))
    assert each.low <= 0 <= each.high and np.isfinite([each.low, each.high]).all()


@settings(max_examples=40)
@given(rows=values, method=st.sampled_from(NAMES))
def test_headroom_scales_a_range(rows: Floats, method: str) -> None:
    one, two = found(rows, Ranging(method, 1.0)), found(rows, Ranging(method, 2.0))
    assert (two.low, two.high) == pytest.approx((2 * one.low, 2 * one.high))


@settings(max_examples=40)
@given(rows=values, method=st.sampled_from(NAMES), seed=st.integers(0, 99))
def test_the_order_of_samples_does_not_matter(rows: Floats, method: str, seed: int) -> None:
    mixed = rows[np.random.default_rng(seed).permutation(len(rows))]
    one, other = found(rows, Ranging(method)), found(mixed, Ranging(method))
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-5)


@settings(max_examples=40)
@given(rows=values, method=st.sampled_from([name for name in NAMES if name != "extrapolated"]))
def test_only_extrapolation_goes_beyond_what_was_seen(rows: Floats, method: str) -> None:
    each = found(rows, Ranging(method))
    assert each.low >= min(float(rows.min()), 0) - 1e-3 and each.high <= max(float(rows.max()), 0) + 1e-3


@settings(max_examples=40)
@given(rows=values, shares=st.tuples(st.floats(0.001, 0.4), st.floats(0.001, 0.4)).map(sorted))
@pytest.mark.parametrize("method", ["percentile", "per-sample"])
def test_a_larger_quantile_is_never_wider(method: str, rows: Floats, shares: list[float]) -> None:
    wide, narrow = (found(rows, Ranging(method, quantile=share)) for share in shares)
    assert narrow.low >= wide.low - 1e-3 and narrow.high <= wide.high + 1e-3


def test_few_samples_are_extrapolated_to_many_and_many_are_not() -> None:
    draws = np.random.default_rng(1)
    all_of_them = draws.normal(size=(2000, 500)).astype(np.float32)
    few, many = all_of_them[:10], all_of_them[:MANY]
    wanted = float(np.mean([all_of_them[i : i + MANY].max() for i in range(0, 2000, MANY)]))
    assert found(few, Ranging("extrapolated")).high == pytest.approx(wanted, rel=0.2)
    assert found(few, Ranging("extrapolated")).high > found(few, Ranging()).high
    assert found(many, Ranging("extrapolated")) == found(many, Ranging())


def test_mse_cuts_off_a_tail_that_costs_less_than_coarse_steps() -> None:
    rows = np.random.default_rng(1).normal(size=(50, 400)).astype(np.float32)
    rows[0, 0] = 100
    assert found(rows, Ranging("mse")).high < 60
    flat = np.random.default_rng(1).uniform(-1, 1, size=(50, 400)).astype(np.float32)
    assert found(flat, Ranging("mse")).high > 0.9


@pytest.mark.parametrize("method", [name for name in NAMES if name not in (PLAIN, "entropy")])
def test_a_loud_sample_has_no_say(method: str) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 400)).astype(np.float32)
    quiet = found(rows, Ranging(method)).high
    rows[7] *= 20
    loud = found(rows, Ranging(method)).high
    assert found(rows, Ranging()).high > 10 * quiet
    # Values of a histogram are of all samples until the data is observed again without the loud one.
    assert loud < (1.3 if method not in ("percentile", "mse") else 20) * quiet


def test_an_input_of_whole_steps_keeps_them() -> None:
    rows = np.arange(40, dtype=np.float32).reshape(10, 4) * 0.5
    plain, kept = found(rows, Ranging(), 0.5), found(rows, Ranging("robust"), 0.5)
    assert (plain.low, plain.high) == (0, 19.5)
    assert kept.high - kept.low == pytest.approx(255 * 0.5) and (kept.high / 0.5) == round(kept.high / 0.5)
