"""What is held back is never trained on, and has its share of every class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.finetune.split import FEWEST, MOST_HELD, split


@settings(max_examples=60)
@given(st.integers(FEWEST, 6000), st.floats(0.02, 0.8), st.integers(0, 9))
def test_every_sample_is_in_one_of_both_and_the_same_seed_gives_the_same(count: int, share: float, seed: int) -> None:
    learn, held = split(count, None, share, seed)
    assert sorted(learn + held) == list(range(count))
    assert 1 <= len(held) <= MOST_HELD and learn
    assert split(count, None, share, seed) == (learn, held)


def test_every_class_gives_its_share() -> None:
    labels = np.repeat([0, 1, 2], [100, 40, 20])
    _, held = split(160, labels, 0.25, 0)
    assert np.abs(np.bincount(labels[held]) - [25, 10, 5]).max() <= 1


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(UsageError, match="9 samples are too few"):
        split(9, None, 0.2, 0)
