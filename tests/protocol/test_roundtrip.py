"""The estimate of RFC 6298, by its own rules."""

from __future__ import annotations

import pytest

from edgeq.protocol.roundtrip import FIRST_S, LEAST_S, MOST_S, RoundTrip


def test_before_any_answer_and_after_the_first() -> None:
    trip = RoundTrip()
    assert next(trip.waits(30)) == FIRST_S
    trip.answered(0.4)
    # Mean R and deviation R / 2: R + 4 * R / 2.
    assert next(trip.waits(30)) == pytest.approx(1.2)


def test_steady_answers_end_at_their_own_time_and_the_least_slack() -> None:
    trip = RoundTrip()
    for _ in range(100):
        trip.answered(0.1)
    assert next(trip.waits(30)) == pytest.approx(0.1 + LEAST_S, rel=0.01)


def test_one_late_answer_widens_the_limit() -> None:
    trip = RoundTrip()
    for seconds in (0.1,) * 50 + (1.0,):
        trip.answered(seconds)
    # The deviation takes a quarter of 0.9, the mean an eighth of it.
    assert next(trip.waits(30)) == pytest.approx(0.1 + 0.9 / 8 + 4 * 0.9 / 4, rel=0.05)


def test_waits_double_are_capped_and_sum_to_the_whole() -> None:
    waits = list(RoundTrip().waits(12))
    assert waits == [1, 2, 4, 4, 1]
    assert max(RoundTrip().waits(100)) == MOST_S


def test_doubling_lasts_until_an_answer() -> None:
    trip = RoundTrip()
    waits = trip.waits(30)
    assert [next(waits), next(waits)] == [1, 2]
    assert next(trip.waits(30)) == 2
    trip.answered(0.1)
    assert next(trip.waits(30)) < 1


def test_the_bytes_time_on_the_way_is_added_to_each() -> None:
    assert list(RoundTrip().waits(5, extra_s=0.5)) == [1.5, 2.5, 1]
