"""Noise is told from data that only looks a little like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from practice import Case, findings

DRAW = np.random.default_rng(3)
NOISE = {
    "uniform pictures": DRAW.uniform(0, 1, (40, 12, 12, 3)),
    "uniform bytes": DRAW.integers(0, 256, (40, 12, 12, 3)).astype(np.uint8),
    "normal features": DRAW.normal(3, 2, (40, 20, 10)),
    "normal vectors": DRAW.normal(0, 1, (60, 64)),
    "white noise": DRAW.normal(0, 3000, (20, 4000)).astype(np.int16),
}
DATA = {
    "a random walk": DRAW.normal(0, 1, (40, 20, 10)).cumsum(axis=1),
    "sparse": (DRAW.uniform(size=(60, 20, 10)) < 0.05).astype(np.float64),
    "heavy tails": DRAW.standard_t(2, (60, 64)),
    "columns of a table": DRAW.normal(0, 1, (200, 16)) * DRAW.uniform(0.1, 9, 16) + DRAW.uniform(-5, 5, 16),
    "bursts": DRAW.normal(0, 1, (40, 400)) * np.repeat(DRAW.uniform(0, 3, (40, 20)), 20, axis=1),
    "a tone in noise": DRAW.normal(0, 1, (20, 2000)) + 3 * np.sin(np.arange(2000) / 5 + DRAW.uniform(0, 6, (20, 1))),
}


@pytest.mark.parametrize("name", NOISE)
def test_noise(tmp_path: Path, name: str) -> None:
    found = findings(Case(NOISE[name], None), None, tmp_path)
    assert found["noise"].severity == "error" and found["noise"].actual < found["noise"].limit


def vectors(count: int = 60) -> np.ndarray:
    """Like a spectrum: neighbours are alike, and far ones have something in common."""
    slow = DRAW.normal(0, 1, (count, 8)) @ DRAW.normal(0, 1, (8, 320)).cumsum(axis=1)
    return np.asarray(slow + DRAW.normal(0, 0.3, slow.shape) + np.linspace(-40, -5, 320))


def test_noise_with_the_mean_and_deviation_of_each_place_of_a_vector(tmp_path: Path) -> None:
    x = vectors()
    assert "noise" not in findings(Case(x, None), None, tmp_path)
    made = x.mean(axis=0) + x.std(axis=0) * DRAW.normal(size=x.shape)
    found = findings(Case(made, None), None, tmp_path)["noise"]
    assert found.severity == "warning" and found.actual < found.limit


def test_vectors_of_noise_among_others(tmp_path: Path) -> None:
    x = vectors()
    x[[3, 9]] = DRAW.normal(x.mean(), x.std(), (2, x.shape[1]))
    found = findings(Case(x, None), None, tmp_path)["noise-samples"]
    assert "sample 3, sample 9" in found.message


def test_small_pictures_have_correlations_by_chance(tmp_path: Path) -> None:
    x = np.random.default_rng(8).normal(size=(200, 8, 11))
    x = x[..., :-3] + x[..., 1:-2] + x[..., 2:-1] + x[..., 3:]
    assert "noise-samples" not in findings(Case(x, None), None, tmp_path)
    x[:8] = np.random.default_rng(9).normal(0, x.std(), x[:8].shape)
    found = findings(Case(x, None), None, tmp_path)["noise-samples"]
    assert "sample 2" in found.message and found.actual < 0.4


@pytest.mark.parametrize("name", DATA)
def test_data(tmp_path: Path, name: str) -> None:
    found = findings(Case(DATA[name], None), None, tmp_path)
    assert not {"noise", "noise-samples"} & set(found)
