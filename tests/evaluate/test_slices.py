from __future__ import annotations

import numpy as np
import pytest

from edgeq.errors import UsageError
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.metrics import metric
from edgeq.evaluate.slices import Told, findings, judge, slices_of
from edgeq.quantize.samples import as_samples


def _data(labels: np.ndarray, **columns: list[str]) -> Labelled:
    texts = {name: tuple(values) for name, values in columns.items()}
    return Labelled(as_samples(np.zeros((len(labels), 1))), labels, "", columns=texts)


def _judged(
    data: Labelled, right: np.ndarray, before: np.ndarray, wanted: tuple[str, ...], name: str = "accuracy"
) -> list[Told]:
    """Two models of two classes that are right on these samples."""
    assert data.labels is not None
    said = [np.eye(2)[np.where(each, data.labels, 1 - data.labels)] for each in (right, before)]
    return judge(slices_of(data, wanted, ("no", "yes")), metric(name), data.labels, said[0], said[1], 20, 0)


def test_slices_are_classes_and_texts_of_columns() -> None:
    data = _data(np.array([0, 1, 1, 0]), who=["bob", "ann", "bob", "bob"])
    found = [(each.by, each.name, each.places.tolist()) for each in slices_of(data, ("label", "who"), ("no", "yes"))]
    assert found == [("label", "no", [0, 3]), ("label", "yes", [1, 2]), ("who", "ann", [1]), ("who", "bob", [0, 2, 3])]


def test_many_numbers_become_quarters_and_few_stay() -> None:
    age = [str(value) for value in range(40)]
    data = _data(np.zeros(40, int), age=age, room=["2", "10"] * 20)
    quarters = slices_of(data, ("age",), ())
    assert [len(each.places) for each in quarters] == [10, 10, 10, 10]
    assert quarters[0].name == "0 .. 9.75" and quarters[-1].name == "29.25 .. 39"
    assert [each.name for each in slices_of(data, ("room",), ())] == ["2", "10"]


def test_too_many_slices_are_refused() -> None:
    data = _data(np.zeros(1200, int), clip=[f"c{index}" for index in range(1200)])
    with pytest.raises(UsageError, match="1200 slices by clip"):
        slices_of(data, ("clip",), ())


def test_a_slice_that_lost_while_the_average_holds_is_a_finding() -> None:
    labels = np.arange(1000) % 2
    who = ["ann" if index < 60 else f"b{index % 7}" for index in range(1000)]
    before = np.ones(1000, bool)
    right = before.copy()
    right[:12] = False  # a fifth of ann's, of all samples 1.2 %
    told = _judged(_data(labels, who=who), right, before, ("label", "who"))
    (finding,) = findings(told, {"accuracy": 0.012})
    assert finding.code == "slice" and finding.actual == 20.0 and finding.limit == 1.2
    assert "The slice who 'ann' lost 20 points of accuracy (100 to 80 %) on 60 samples, interval" in finding.message
    assert "over 10 slices" in finding.message and "all samples lost 1.2" in finding.message


def test_where_every_slice_loses_alike_none_is_named() -> None:
    labels, before = np.arange(1000) % 2, np.ones(1000, bool)
    right = np.arange(1000) % 10 > 1
    told = _judged(_data(labels, who=[f"b{index % 7}" for index in range(1000)]), right, before, ("who",))
    assert findings(told, {"accuracy": 0.2}) == []


def test_small_slices_are_told_and_not_judged() -> None:
    labels, before = np.zeros(100, int), np.ones(100, bool)
    who = ["few"] * 19 + ["many"] * 81
    told = _judged(_data(labels, who=who), np.arange(100) >= 19, before, ("who",))
    assert [(each.slice.name, each.judged) for each in told] == [("few", False), ("many", True)]
    assert findings(told, {"accuracy": 0.19}) == []


def test_chance_names_a_slice_in_one_of_twenty_sets_at_most() -> None:
    random, named = np.random.default_rng(0), 0
    for _ in range(100):
        labels = random.integers(0, 2, 600)
        before, right = random.random(600) < 0.9, random.random(600) < 0.9
        data = _data(labels, who=[f"s{number}" for number in random.integers(0, 12, 600)])
        named += bool(
            findings(_judged(data, right, before, ("label", "who")), {"accuracy": before.mean() - right.mean()})
        )
    assert named <= 10


def test_metrics_of_whole_sets_give_way_to_accuracy_within_a_class() -> None:
    labels, before = np.arange(100) % 2, np.ones(100, bool)
    told = _judged(_data(labels, who=["a", "a", "b", "b"] * 25), before, before, ("label", "who"), "f1")
    assert [(each.slice.by, each.metric.name) for each in told] == [
        ("label", "accuracy"),
        ("label", "accuracy"),
        ("who", "f1"),
        ("who", "f1"),
    ]


def test_without_a_float_model_nothing_is_judged() -> None:
    labels = np.arange(60) % 2
    told = judge(slices_of(_data(labels), ("label",), ()), metric("accuracy"), labels, np.eye(2)[labels], None, 20, 0)
    assert [(each.value, each.float_value, each.judged) for each in told] == [(1.0, None, False)] * 2
