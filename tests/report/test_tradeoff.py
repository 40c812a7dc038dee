"""Trade-offs: only what may be compared stands on one plane, and a front is what nothing beats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeq.report.section import Section, section
from edgeq.report.tradeoff import fronts, planes, shortened
from edgeq.run import Series, read_run

LOCAL = read_run(Path(__file__).resolve().parents[1] / "cases" / "runs" / "local-measured.json")


def made(label: str, p50: float, accuracy: float, size: int = 1000, how: str = "measured", **release: Any) -> Section:
    evaluation = {**LOCAL.release["evaluation"], "accuracy": accuracy, **release.pop("evaluation", {})}
    run = replace(
        LOCAL,
        series=(Series("invoke", "ns", how, (p50,) * 9),),
        release={**LOCAL.release, "model_bytes": size, "evaluation": evaluation, **release},
    )
    return section(run, label)


def plane(sections: list[Section], name: str) -> Any:
    (found,) = (each for each in planes(sections) if each.name == name)
    return found


def test_the_front_is_what_no_other_beats_in_both() -> None:
    runs = [made("m on a", 10, 0.90), made("m on b", 20, 0.95), made("m on c", 30, 0.94), made("m on d", 15, 0.90)]
    found = plane(runs, "p50")
    assert {point.label: point.front for point in found.points} == {"a": True, "b": True, "c": False, "d": False}
    assert fronts(runs) == {"m on a": True, "m on b": True, "m on c": False, "m on d": False}


def test_of_errors_less_is_better() -> None:
    lower = {"title": "error", "unit": "degrees", "better": "lower"}
    runs = [made("a", 10, 2.0, evaluation=lower), made("b", 20, 1.0, evaluation=lower),
            made("c", 30, 1.5, evaluation=lower)]  # fmt: skip
    found = plane(runs, "p50")
    assert found.lower
    assert [point.front for point in found.points] == [True, True, False]


def test_emulated_and_measured_latency_never_share_a_plane_nor_a_front() -> None:
    runs = [made("a", 10, 0.9), made("b", 20, 0.95, how="emulated")]
    assert not list(planes(runs))
    assert fronts(runs) == {}


@pytest.mark.parametrize("other", [{"name": "another"}, {"evaluation": {"data_sha256": "ff" * 32}}])
def test_other_models_and_other_data_are_not_compared(other: dict[str, Any]) -> None:
    runs = [made("a", 10, 0.9), made("b", 20, 0.95, **other)]
    assert not list(planes(runs))
    assert fronts(runs) == {}


def test_two_models_have_planes_of_their_own() -> None:
    runs = [made("a", 10, 0.9), made("b", 20, 0.95), made("c", 10, 0.7, name="x"), made("d", 20, 0.8, name="x")]
    assert [each.of for each in planes(runs)] == ["synthetic-digits", "x"]


def test_equal_choices_are_one_point_and_what_does_not_differ_has_no_plane() -> None:
    runs = [made("m on a", 10, 0.9, 500), made("m on b", 12, 0.9, 500), made("m on c", 11, 0.95, 900)]
    assert [point.label for point in plane(runs, "model_bytes").points] == ["a, b", "c"]
    assert not list(planes(runs[:2]))


def test_labels_lose_what_all_of_them_begin_with() -> None:
    assert shortened(["m on pi, int8", "m on pi, float16"]) == ["int8", "float16"]
    assert shortened(["m on a", "n on a"]) == ["m on a", "n on a"]
    assert shortened(["same"]) == ["same"]
    assert shortened(["a b", "a"]) == ["a b", "a"]
