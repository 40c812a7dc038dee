from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.asked import SUITE
from edgeq.dataset import open_dataset
from edgeq.errors import UsageError
from edgeq.evaluate.corrupt.suite import corrupted, level, suite
from edgeq.preprocess import parse


def _names(path: Path, preprocess: object = None, wanted: tuple[str, ...] = SUITE) -> list[str]:
    return [each.name for each in suite(open_dataset(path), preprocess, wanted)]  # type: ignore[arg-type]


def test_the_kind_of_the_data_chooses(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", x=np.zeros((2, 8, 8, 3), np.uint8))
    np.savez(tmp_path / "clips.npz", x=np.zeros((2, 800), np.int16), rate_hz=8000)
    np.savez(tmp_path / "numbers.npz", x=np.zeros((2, 5), np.float32))
    assert _names(tmp_path / "pictures.npz") == ["noise", "blur", "brightness", "jpeg"]
    assert _names(tmp_path / "clips.npz") == ["noise", "shift", "gain", "clipping"]
    assert _names(tmp_path / "numbers.npz") == ["noise"]
    assert _names(tmp_path / "pictures.npz", None, ("jpeg",)) == ["jpeg"]
    with pytest.raises(UsageError, match="No corruption of audio is called 'blur'"):
        _names(tmp_path / "clips.npz", None, ("blur",))


def test_raw_input_gets_worse_before_it_is_preprocessed(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", x=np.full((3, 8, 8, 3), 100, np.uint8))
    steps = parse({"input": "image", "steps": [{"do": "scale", "multiply": 1 / 255}]})
    data = open_dataset(tmp_path / "pictures.npz")
    (corruption,) = suite(data, steps, ("brightness",))
    found = corrupted(data, steps, [0, 2], corruption, 3, 0)
    assert len(found) == 2 and found.read(1)[0].max() == pytest.approx((100 + round(0.15 * 255)) / 255, abs=0.003)
    assert level(data, steps, corruption, 3) == 0.15


def test_noise_on_numbers_is_a_share_of_their_spread(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(5, 2, (2, 4000)).astype(np.float32)
    np.savez(tmp_path / "numbers.npz", x=x, whole=np.arange(8000, dtype=np.int8).reshape(2, 4000))
    data = open_dataset(tmp_path / "numbers.npz", inputs=["x", "whole"])
    (corruption,) = suite(data, None, SUITE)
    one, whole = corrupted(data, None, [1], corruption, 2, 0).read(0)
    assert (one - x[1]).std() == pytest.approx(0.2, rel=0.05) and whole.dtype == np.int8
