"""Figures of a row, and the middle of the runs."""

from __future__ import annotations

import pytest

from edgeq.profile.table import Row, middle, profiled


@pytest.mark.parametrize(
    ("values", "mean"), [([7], 7), ([1, 2, 3], 2), ([1, 2, 4, 900], 3), ([0, 10, 10, 11, 11, 12, 12, 5000], 11)]
)
def test_the_middle_half(values: list[int], mean: float) -> None:
    assert middle(values) == mean


def test_figures() -> None:
    row = Row("CONV_2D", "conv_i8", [4, 2, 3], index=1, name="out", macs=12, bytes=5, also=(2,))
    told = profiled([row, Row("?", "XNNPACK", [1, 1, 1])], [9, 9, 12], {"unit": "ns"}, [])
    first, second = told["ops"]
    expected = {"index": 1, "first": 4, "last": 3, "avg": 3, "mid": 3, "min": 2, "max": 4, "share": 0.75, "also": [2]}
    assert expected.items() <= first.items()
    assert first["std"] == pytest.approx((2 / 3) ** 0.5)
    assert "index" not in second and "also" not in second


def test_ops_that_are_too_quick_for_the_clock_have_no_share() -> None:
    assert profiled([Row("COPY", "copy", [0, 0])], [5, 5], {"unit": "ns"}, [])["ops"][0]["share"] == 0
