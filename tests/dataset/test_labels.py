from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.dataset import labels
from edgeq.dataset.labels import LabelReader, Labels
from edgeq.errors import UsageError


def read(texts: list[str], *classes: str) -> Labels:
    reader = LabelReader(classes, "set")
    for text in texts:
        reader.add(text)
    return reader.finish()


def numbers(found: Labels) -> list[int] | None:
    return None if found.numbers is None else found.numbers.tolist()


@pytest.mark.parametrize("rows", [[2, 0, 1], [[2.0], [0], [1]], np.eye(3)[[2, 0, 1]], np.eye(3, dtype=bool)[[2, 0, 1]]])
def test_numbers_and_one_hot_rows(rows: Any) -> None:
    assert numbers(labels.from_numbers(np.array(rows), (), "set")) == [2, 0, 1]


@pytest.mark.parametrize("rows", [[0.5, 1], [-1, 0], np.ones((2, 2)), [np.nan, 1], [1j, 0], [3e9, 0], [np.inf, 0]])
def test_what_is_no_class_is_no_label(rows: Any) -> None:
    found = labels.from_numbers(np.array(rows), (), "set")
    assert found.numbers is None and "neither class numbers" in found.why


def test_texts_are_numbered_in_sorted_order_or_that_of_the_classes() -> None:
    assert read(["dog", "cat", "dog"]).classes == ("cat", "dog")
    assert numbers(read(["dog", "cat", "dog"])) == [1, 0, 1]
    assert numbers(read(["dog", "cat"], "dog", "cat", "owl")) == [0, 1]
    assert numbers(read(["2", "0", "1.0"])) == [2, 0, 1]
    assert numbers(read(["1", "0"], "dog", "cat")) == [1, 0]
    assert numbers(read(["1", "0"], "1", "0")) == [0, 1]
    assert read(["0.25", "1"]).numbers is None and read(["1", "x"]).classes == ("1", "x")


def test_labels_beyond_the_classes_are_told() -> None:
    with pytest.raises(UsageError, match="the label 'dgo'") as caught:
        read(["cat", "dgo"], "cat", "dog")
    assert caught.value.hint == "Did you mean 'dog'?"
    with pytest.raises(UsageError, match="labels up to 2; there are 2 names"):
        read(["2"], "cat", "dog")


def test_numbers_that_begin_with_one_are_told_so() -> None:
    with pytest.raises(UsageError, match="labels up to 2; there are 2 names") as error:
        labels.known(np.array([1, 2]), ("a", "b"), "data")
    assert "subtract 1" in error.value.hint


def test_too_many_labels_are_no_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MOST_CLASSES", 10)
    assert read([str(number) for number in range(10)]).numbers is not None
    assert read([str(number) for number in range(20)]) is labels.TOO_MANY


@settings(max_examples=50)
@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=30))
def test_every_label_keeps_its_name(texts: list[str]) -> None:
    found = read(texts)
    assert found.numbers is not None and list(found.classes) == sorted(set(texts))
    assert [found.classes[number] for number in found.numbers] == texts
