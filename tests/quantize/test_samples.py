from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.quantize.samples import Samples, as_samples, chained, each, fit, match, plain, store, stored


@dataclass(frozen=True)
class Input:
    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


FIRST, SECOND = Input("serving_default_first:0", (1, 4)), Input("second", (1, 3, 2))


@given(st.permutations(["first", "second", "third"]))
def test_arrays_find_their_inputs_by_name_in_any_order(names: list[str]) -> None:
    inputs = [Input("first", (1,)), Input("second", (1,)), Input("third", (1,))]
    assert [names[place] for place in match(names, 3, inputs)] == ["first", "second", "third"]


def test_names_that_are_nobodys_mean_the_order() -> None:
    assert match((), 2, [FIRST, SECOND]) == (0, 1)
    assert match(("a", "b"), 2, [FIRST, SECOND]) == (0, 1)
    assert match(("x",), 1, [FIRST]) == (0,)
    assert plain(FIRST.name) == "first"


def test_arrays_that_do_not_fit_the_inputs_are_told() -> None:
    with pytest.raises(
        UsageError, match=r"has 2 inputs \('first', 'second'\); a sample of the data has 1 array\."
    ) as told:
        match(("x",), 1, [FIRST, SECOND])
    assert "np.savez('data.npz', first=..., second=...)" in told.value.hint
    with pytest.raises(UsageError, match="no array for the model's input 'second'"):
        match(("first", "y"), 2, [FIRST, SECOND])


def test_each_sample_comes_in_the_order_of_the_inputs() -> None:
    data = {"second": np.ones((2, 3, 2)), "first": np.arange(8).reshape(2, 4)}
    values = list(each(as_samples(data), [FIRST, SECOND]))
    assert [[value.shape for value in sample] for sample in values] == [[(1, 4), (1, 3, 2)]] * 2
    assert values[1][0].tolist() == [[4, 5, 6, 7]]


def test_axes_of_size_one_may_differ_and_others_may_not() -> None:
    assert fit(np.ones((8, 8)), Input("image", (1, 8, 8, 1))).shape == (1, 8, 8, 1)
    with pytest.raises(UsageError, match=r"wants samples of shape \[8, 8, 1\]; clip.wav has \[9, 8\]"):
        fit(np.ones((9, 8)), Input("image", (1, 8, 8, 1)), "clip.wav")


def test_no_samples_and_unequal_numbers_of_them_are_told() -> None:
    with pytest.raises(UsageError, match="holds no samples"):
        as_samples(np.empty((0, 3)))
    with pytest.raises(UsageError, match="have 2 and 3 samples"):
        as_samples([np.ones((2, 1)), np.ones((3, 1))])


def test_samples_are_read_one_by_one_and_mapped_back(tmp_path: Path) -> None:
    data = [np.arange(12, dtype=np.int16).reshape(3, 4), np.random.default_rng(0).normal(size=(3, 2))]
    read: list[int] = []
    source = as_samples(data)
    store(Samples(("a", "b"), 3, lambda index: read.append(index) or source.read(index)), tmp_path)  # type: ignore[func-returns-value]
    assert read == [0, 1, 2]
    back = stored(tmp_path, ["a", "b"])
    assert (back.names, len(back)) == (("a", "b"), 3)
    for index in range(3):
        for got, want in zip(back.read(index), source.read(index), strict=True):
            assert isinstance(got, np.memmap) and got.dtype == want.dtype and np.array_equal(got, want)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.array([1.0, np.nan]), "clip-A 1 has values that are not finite"),
        (np.array([1.0, np.inf]), "clip-A 1 has values that are not finite"),
        (np.array([1.0, 2.0, 3.0]), r"clip-A 1 has shape \[3\]; the first has \[2\]"),
        (np.array(["a", "b"]), "clip-A 1 is of type <U1, not numbers"),
    ],
)
def test_a_sample_that_is_not_usable_is_named(tmp_path: Path, bad: np.ndarray, words: str) -> None:  # type: ignore[type-arg]
    values = [np.array([1.0, 2.0]), bad]
    with pytest.raises(UsageError, match=words):
        store(Samples((), 2, lambda index: [values[index]], lambda index: f"clip-A {index}"), tmp_path)


def test_chosen_samples_keep_their_names() -> None:
    chosen = as_samples({"x": np.arange(5)}).choose([4, 1])
    assert [int(chosen.read(index)[0]) for index in range(len(chosen))] == [4, 1]
    assert chosen.title(0) == "sample 4"


@pytest.mark.parametrize(("first", "other", "order"), [((4, 4, 3), (4, 4, 1), "rgb"), ((4, 4, 1), (4, 4, 3), "gray")])
def test_grey_pictures_among_coloured_ones(
    tmp_path: Path, first: tuple[int, ...], other: tuple[int, ...], order: str
) -> None:
    shapes = [first, other]
    titles = ["kiwi/0.png of 'set'", "kiwi/1.png of 'set'"]
    samples = Samples(("x",), 2, lambda index: [np.zeros(shapes[index])], lambda index: titles[index])
    with pytest.raises(UsageError, match=r"^kiwi/1.png of 'set' has shape") as told:
        store(samples, tmp_path)
    assert f'{{ do = "colour", order = "{order}" }}' in told.value.hint


def test_sets_are_chained() -> None:
    parts = [as_samples(np.arange(start, start + 3)[:, None]) for start in (0, 10)]
    found = chained(parts)
    assert [int(found.read(index)[0][0]) for index in range(len(found))] == [0, 1, 2, 10, 11, 12]
    assert found.title(4) == "sample 1"
