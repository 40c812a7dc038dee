from __future__ import annotations

from typing import Any

import pytest

from edgeq.passport.shape import NUMBER, Every, Maybe, misfit

SHAPE = {"a": int, "b": Maybe(str), "c": Every(list, {"n": NUMBER}), "d": Every(dict, int)}
FINE = {"a": 1, "b": None, "c": [{"n": 1.5}], "d": {"x": 1}}


def test_what_fits() -> None:
    assert misfit(FINE, SHAPE) is None
    assert misfit({**FINE, "b": "text", "more": object()}, SHAPE) is None


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"a": True}, "a"),
        ({"a": None}, "a"),
        ({"b": 1}, "b"),
        ({"c": {}}, "c"),
        ({"c": [{"n": 1}, {}]}, "c.1.n"),
        ({"c": [{"n": float("inf")}]}, "c.0.n"),
        ({"d": {"x": "1"}}, "d.x"),
        ({"d": [1]}, "d"),
    ],
)
def test_the_first_place_that_does_not_fit_is_named(change: dict[str, Any], where: str) -> None:
    assert misfit({**FINE, **change}, SHAPE) == where


def test_something_else_does_not_fit() -> None:
    assert misfit([], SHAPE) == ""
