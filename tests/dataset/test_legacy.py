from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.dataset import MOST_SAMPLES, fit_samples, read_dataset, subsample
from edgeq.errors import UsageError


def _save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_usual_names_are_found(tmp_path: Path) -> None:
    x, y = np.ones((3, 2)), np.arange(3)
    for index, (samples, labels) in enumerate([("x", "y"), ("X", "Y"), ("images", "labels"), ("features", "targets")]):
        data = read_dataset(_save(tmp_path / f"{index}.npz", **{samples: x, labels: y, "name": np.array(["a"] * 3)}))
        assert data.x.shape == (3, 2) and data.y is not None and len(data) == 3
    alone = read_dataset(_save(tmp_path / "alone.npz", anything=x))
    assert alone.y is None and alone.x.shape == (3, 2)
    np.save(tmp_path / "plain.npy", x)
    assert read_dataset(tmp_path / "plain.npy").x.shape == (3, 2)


def test_digest_is_of_the_content_not_of_the_file(tmp_path: Path) -> None:
    x, y = np.arange(24, dtype=np.uint8).reshape(4, 6), np.arange(4)
    one = read_dataset(_save(tmp_path / "one.npz", x=x, y=y)).sha256
    np.savez_compressed(tmp_path / "two.npz", labels=y, images=np.asfortranarray(x))
    assert read_dataset(tmp_path / "two.npz").sha256 == one
    for index, changed in enumerate([{"x": x.reshape(4, 2, 3), "y": y}, {"x": x.astype(np.int8), "y": y}, {"x": x}]):
        assert read_dataset(_save(tmp_path / f"c{index}.npz", **changed)).sha256 != one
    big = x.astype(">i4")
    little = read_dataset(_save(tmp_path / "little.npz", x=big.astype("<i4")))
    assert read_dataset(_save(tmp_path / "big.npz", x=big)).sha256 == little.sha256


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.empty((0, 4))}, "holds no samples"),
        ({"x": np.array([[1.0, 2], [np.nan, 1], [np.inf, 1]])}, "first in sample 1"),
        ({"x": np.array(["a", "b"])}, "not numbers"),
        ({"x": np.array([{}, {}], dtype=object)}, "cannot be read"),
        ({"x": np.ones((3, 2)), "y": np.arange(2)}, "3 samples and 2 labels"),
        ({"a": np.ones(3), "b": np.ones(3)}, "the arrays a, b"),
    ],
)
def test_bad_data_is_told(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_dataset(_save(tmp_path / "bad.npz", **arrays))


def test_bad_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not a zip")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (tmp_path / "data.csv").write_text("1,2")
    for name, words in [("broken.npz", "cannot be read"), ("broken.npy", "cannot be read"), ("data.csv", r"\.csv")]:
        with pytest.raises(UsageError, match=words):
            read_dataset(tmp_path / name)
    with pytest.raises(UsageError, match="does not exist"):
        read_dataset(tmp_path / "none.npz")


def test_labels_as_numbers_and_one_hot(tmp_path: Path) -> None:
    x = np.ones((3, 2))
    for index, y in enumerate([np.array([2, 0, 1]), np.array([[2.0], [0], [1]]), np.eye(3)[[2, 0, 1]]]):
        assert read_dataset(_save(tmp_path / f"{index}.npz", x=x, y=y)).classes().tolist() == [2, 0, 1]
    for index, y in enumerate(
        [np.array([0.5, 1, 2]), np.array([-1, 0, 1]), np.ones((3, 3)), np.array(["a", "b", "c"])]
    ):
        with pytest.raises(UsageError, match="neither class numbers"):
            read_dataset(_save(tmp_path / f"bad{index}.npz", x=x, y=y)).classes()
    with pytest.raises(UsageError, match="no labels"):
        read_dataset(_save(tmp_path / "none.npz", x=x)).classes()


@given(st.integers(1, 700), st.one_of(st.none(), st.integers(1, 900)), st.integers(0, 5))
def test_subsample_draws_without_repetition_in_order(size: int, count: int | None, seed: int) -> None:
    x = np.arange(size)
    chosen = subsample(x, count, seed)
    assert len(chosen) == min(size, MOST_SAMPLES if count is None else count)
    assert (np.diff(chosen) > 0).all()
    assert (subsample(x, count, seed) == chosen).all()


def test_subsample_refuses_nothing() -> None:
    with pytest.raises(UsageError, match="0 samples"):
        subsample(np.arange(3), 0)


def test_samples_are_fitted_where_only_axes_of_one_differ() -> None:
    assert fit_samples(np.ones((5, 28, 28)), "image", (1, 28, 28, 1)).shape == (5, 28, 28, 1)
    assert fit_samples(np.ones((5, 1, 10)), "x", (1, 10)).shape == (5, 10)
    assert fit_samples(np.ones(5), "x", (1, 1)).shape == (5, 1)
    with pytest.raises(UsageError, match=r"'image' wants samples of shape \[28, 28, 1\]; the data has \[28, 14\]"):
        fit_samples(np.ones((5, 28, 14)), "image", (1, 28, 28, 1))
