from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.dataset import source
from edgeq.dataset.labels import NONE, Labels
from edgeq.dataset.source import MOST_SAMPLES, Dataset
from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw


@dataclass(frozen=True)
class Listed:
    """Samples that are given one by one, which no file format could hold so crookedly."""

    arrays: tuple[tuple[Any, ...], ...]
    numbers: tuple[int, ...] | None = None
    inputs: tuple[str, ...] = ("x",)
    rate_hz: int = 0
    kind: str = "tensor"
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.arrays)

    def read(self, index: int) -> tuple[Raw, ...]:
        return tuple(Raw(np.asarray(item), self.rate_hz) for item in self.arrays[index])

    def name(self, index: int) -> str:
        return f"sample {index}"

    @property
    def found(self) -> Labels:
        return NONE if self.numbers is None else Labels(np.array(self.numbers, np.int64))


def dataset(arrays: list[Any], numbers: list[int] | None = None, rate_hz: int = 0) -> Dataset:
    given = tuple((item,) for item in arrays)
    return Dataset(Listed(given, None if numbers is None else tuple(numbers), rate_hz=rate_hz), "set")


@settings(max_examples=60)
@given(st.integers(1, 700), st.one_of(st.none(), st.integers(1, 900)), st.integers(0, 5))
def test_choose_draws_without_repetition_in_order(size: int, count: int | None, seed: int) -> None:
    data = dataset([0] * size)
    chosen = data.choose(count, seed)
    assert len(chosen) == min(size, MOST_SAMPLES if count is None else count)
    assert (np.diff(chosen) > 0).all() and chosen[0] >= 0 and chosen[-1] < size
    assert (data.choose(count, seed) == chosen).all()


@settings(max_examples=100)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=200), st.integers(1, 220), st.integers(0, 3))
def test_choose_gives_every_class_as_much_as_it_has(numbers: list[int], count: int, seed: int) -> None:
    data = dataset([0] * len(numbers), numbers)
    chosen = data.choose(count, seed)
    assert len(chosen) == min(count, len(numbers)) and (np.diff(chosen) > 0).all()
    assert (data.choose(count, seed) == chosen).all()
    have = np.bincount(numbers, minlength=7)
    taken = np.bincount(np.array(numbers)[chosen], minlength=7)
    unexhausted = taken[taken < have]
    # A class that has more to give is at most one sample behind any other.
    assert not unexhausted.size or unexhausted.min() >= taken.max() - 1


def test_choose_differs_by_seed_and_refuses_nothing() -> None:
    data = dataset([0] * 1000)
    assert (data.choose(50, 0) != data.choose(50, 1)).any()
    with pytest.raises(UsageError, match="0 samples"):
        data.choose(0)


def test_digest_is_of_types_shapes_rates_values_and_labels() -> None:
    x = [np.arange(6, dtype=np.int16).reshape(2, 3), np.ones((2, 3), np.int16)]
    one = dataset(x, [0, 1]).digest()
    same = [np.asfortranarray(x[0]), x[1].astype(">i2")]
    assert dataset(same, [0, 1]).digest() == one
    others = [
        dataset(x),
        dataset(x, [1, 1]),
        dataset([x[0], x[1] + 1], [0, 1]),
        dataset([item.reshape(3, 2) for item in x], [0, 1]),
        dataset([item.astype(np.int32) for item in x], [0, 1]),
        dataset(x, [0, 1], rate_hz=8000),
        dataset(x[::-1], [0, 1]),
    ]
    assert len({one, *(data.digest() for data in others)}) == 8
    assert dataset(x, [0, 1]).digest(np.array([1])) == dataset(x[1:], [1]).digest()


def test_choose_is_the_same_where_the_labels_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset([0] * 1000, np.random.default_rng(0).integers(0, 9, 1000).tolist())
    whole = data.choose(100)
    monkeypatch.setattr(source, "_PART", 37)
    assert (data.choose(100) == whole).all()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1.0, np.nan], r"Sample 1 of 'set' has values that are not finite"),
        ([np.inf], "not finite"),
        (["a"], "is of type <U1, not numbers"),
        ([1j], "not numbers"),
        ([], "holds no values"),
    ],
)
def test_a_bad_sample_is_told_when_it_is_read(value: Any, words: str) -> None:
    data = dataset([[1.0], value])
    assert data.read(0)[0].array.tolist() == [1.0]
    with pytest.raises(UsageError, match=words):
        data.read(1)
    for index in (-1, 2):
        with pytest.raises(IndexError):
            data.read(index)


def test_the_input_of_a_bad_sample_is_named() -> None:
    data = Dataset(Listed((([1.0], [np.nan]),), inputs=("left", "right")), "set")
    with pytest.raises(UsageError, match="in 'right'"):
        data.read(0)


def test_labels_that_are_needed() -> None:
    assert dataset([0, 0], [1, 0]).require_labels().tolist() == [1, 0]
    with pytest.raises(UsageError, match="'set' has no labels"):
        dataset([0]).require_labels()
