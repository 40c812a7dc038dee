"""How samples are compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from practice import pictures

from edgeq.calibration.prints import ALIKE, distances, fingerprint, limit, smoothness


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
@settings(max_examples=40)
def test_a_print_is_small_and_has_the_mean_of_the_sample(shape: list[int]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    found = fingerprint(x)
    assert np.isfinite(found).all() and found.size <= max(512, 16 ** len(shape))
    if all(size <= 16 for size in shape):
        assert found.mean() == pytest.approx(x.mean(), abs=1e-5)


def test_sound_keeps_its_loudness() -> None:
    draw = np.random.default_rng(1)
    quiet, loud = draw.normal(0, 1, 4096), draw.normal(0, 9, 4096)
    assert fingerprint(loud)[256:].mean() > 5 * fingerprint(quiet)[256:].mean()


def test_copies_are_near_and_others_are_far() -> None:
    x, _ = pictures(60, 4)
    copies = x + np.random.default_rng(0).normal(0, 2, x.shape)
    prints, again = np.array([fingerprint(each) for each in x]), np.array([fingerprint(each) for each in copies])
    apart = distances(again, prints, prints)
    assert np.diag(apart).max() < limit(prints) <= ALIKE
    np.fill_diagonal(apart, 2)
    assert apart.min() > limit(prints)


def test_a_sample_like_the_mean_is_a_copy_of_nothing() -> None:
    prints = np.array([[0.0, 0], [1, 1], [-1, -1]], np.float32)
    apart = distances(prints, prints, prints)
    assert (apart[0] == 2).all() and apart[1, 1] == pytest.approx(0, abs=1e-6)


def test_small_sets_have_no_limit() -> None:
    assert limit(np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32)) == 0


def test_smoothness() -> None:
    ramp = np.add.outer(np.arange(20.0), np.arange(20.0))
    assert smoothness(ramp) > 0.9
    assert smoothness(np.random.default_rng(0).normal(size=(40, 40))) < 0.1
    assert np.isnan(smoothness(np.arange(9.0)))
