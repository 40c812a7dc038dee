from __future__ import annotations

import numpy as np
import pytest

from edgeq.quantize.engine.outliers import FEWEST, outliers
from edgeq.quantize.engine.statistics import Statistics, TensorStatistics


def statistics(factors: list[float]) -> Statistics:
    """Three tensors, whose samples reach as far as `factors` say, more or less."""
    none = np.zeros(1, np.float32)
    tensors = {}
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        reach = (np.array(factors) * np.random.default_rng(seed).uniform(0.7, 1.3, len(factors))).astype(np.float32)
        tensors[name] = TensorStatistics(name, -reach, reach / 2, none.astype(float), none, none)
    return Statistics(tensors, len(factors))


@pytest.mark.parametrize(
    ("factors", "places"),
    [
        ([1.0] * 20, ()),
        ([1.0] * 19 + [20.0], (19,)),
        ([20.0, 1, 1, 1, 1, 30.0] + [1.0] * 14, (0, 5)),
        ([1.0, 2.0] * 10, ()),
        ([0.0] * 10, ()),
        ([1.0] * (FEWEST - 2) + [20.0], ()),
    ],
)
def test_what_reaches_far_beyond_the_others(factors: list[float], places: tuple[int, ...]) -> None:
    assert outliers(statistics(factors)) == places


def test_one_strange_tensor_is_no_strange_sample() -> None:
    seen = statistics([1.0] * 20)
    seen.tensors["a"].highs[3] = 99
    assert outliers(seen) == ()


def test_without_them_only_their_extremes_are_gone() -> None:
    seen = statistics([1.0] * 19 + [20.0])
    rest = seen.without(outliers(seen))
    assert rest.count == 19 and rest.tensors["a"].high < 2 < seen.tensors["a"].high
