"""The Pareto front: nothing on it is beaten, everything beside it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgeq.search.front import pareto

points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=20)


def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@given(points)
def test_what_is_on_the_front_is_beaten_by_nothing_and_the_rest_by_something(items: list[tuple[int, ...]]) -> None:
    front = pareto(items, lambda item: item)
    assert not any(beats(other, item) for item in front for other in items)
    assert all(item in front or any(beats(other, item) for other in front) for item in items)
    assert len(set(front)) == len(front)
