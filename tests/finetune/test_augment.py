"""Variants of samples: the right ones for each kind, from a seed."""

from __future__ import annotations

import numpy as np

from edgeq.finetune.augment import augmented, resolved


def test_pictures_are_moved_and_other_samples_mixed_where_they_have_no_labels() -> None:
    assert resolved("auto", [(8, 32, 32, 3)], True) == "image"
    assert resolved("auto", [(8, 49, 10, 1)], False) == "mix"
    assert resolved("auto", [(8, 49, 10, 1)], True) == "none"
    assert resolved("mix", [(8, 32, 32, 3)], True) == "mix"


def test_a_moved_picture_has_its_own_values_and_its_shape() -> None:
    x = np.random.default_rng(0).random((6, 20, 16, 3)).astype(np.float32)
    (made,) = augmented("image", [x], np.random.default_rng(1))
    assert made.shape == x.shape and made.dtype == x.dtype and not np.array_equal(made, x)
    assert all(np.isin(one, other).all() for one, other in zip(made, x, strict=True))
    assert np.array_equal(made, augmented("image", [x], np.random.default_rng(1))[0])


def test_mixed_inputs_of_one_sample_go_together_and_whole_numbers_stay() -> None:
    x, y = (np.arange(40, dtype=np.float32).reshape(20, 2) for _ in range(2))
    one, other = augmented("mix", [x, y], np.random.default_rng(1))
    assert np.array_equal(one, other) and not np.array_equal(one, x)
    assert one.min() >= x.min() and one.max() <= x.max()
    words = np.arange(20)[:, None]
    assert augmented("mix", [words, x], np.random.default_rng(1))[1] is x
