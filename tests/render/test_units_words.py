"""Figures as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.render.words import amount, figure_text, interval_text, tag
from edgeq.report import Figure
from edgeq.units import format_seconds, three_digits


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1_234_000, "ns", "1.23 ms"),
        (2_600_000, "ns", "2.60 ms"),
        (0, "ns", "0 ns"),
        (98_496, "bytes", "96.2 KiB"),
        (0.9731, "fraction", "97.31 %"),
        (512, "mw", "512 mW"),
        (3000, "mw", "3.00 W"),
        (35_000, "uj", "35,000 uJ"),
        (0.0312, "uj", "0.0312 uJ"),
        (9654.3, "per_s", "9,654 inf/s"),
    ],
)
def test_amounts(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (9.999, "10.0"),
        (99.96, "100"),
        (9.596, "9.60"),
        (99.6, "99.6"),
        (999.4, "999"),
        (999.7, "1,000"),
        (0.99999, "1.00"),
        (-2.6, "-2.60"),
        (1e-5, "1e-05"),
    ],
)
def test_three_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


@given(st.floats(1e-9, 1e5))
def test_seconds_keep_three_digits(seconds: float) -> None:
    factors = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    number, unit = format_seconds(seconds).split()
    assert float(number.replace(",", "")) * factors[unit] == pytest.approx(seconds, rel=0.0051)


def test_intervals_name_the_unit_once_where_they_can() -> None:
    figure = Figure("p50", "p50", 1.5e6, "ns", "measured", 1.4e6, 1.6e6)
    assert interval_text(figure) == "1.40 .. 1.60 ms"
    assert interval_text(Figure("p50", "p50", 1e6, "ns", "measured", 9e5, 1.6e6)) == "900 us .. 1.60 ms"
    assert interval_text(Figure("p50", "p50", 1e6, "ns", "measured")) == ""
    drop = Figure("drop", "Loss", 0.004, "fraction", "measured", -0.002, 0.011, at="evaluated on host")
    assert (figure_text(drop), interval_text(drop)) == ("0.4 points", "-0.2 .. 1.1 points")
    assert tag(drop) == "measured on host"


def test_tags_carry_the_error() -> None:
    assert tag(Figure("power", "Power", 1, "mw", "estimated", error_pct=50)) == "estimated ± 50 %"
    assert tag(Figure("energy", "Energy", 1, "uj", "measured", error_pct=2.14)) == "measured ± 2.1 %"
    assert tag(Figure("p50", "p50", 1, "ns", "emulated")) == "emulated"
