from __future__ import annotations

import numpy as np
import pytest

from edgeq.errors import UsageError
from edgeq.interface import Tensor
from edgeq.passport.inputs import bins_for, observe
from edgeq.quantize.samples import as_samples

INPUTS = (Tensor("a", (1, 4), "int8", 0.5, 0), Tensor("b", (1, 2), "float32", 0.0, 0))


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(5)
    return {"a": draw.normal(1000, 3, (50, 4)).astype(np.float32), "b": draw.uniform(-1, 1, (50, 2))}


def test_figures_are_those_of_all_values(arrays: dict[str, np.ndarray]) -> None:
    samples = as_samples(arrays)
    found = {each.name: each.to_json() for each in observe(INPUTS, bins_for(INPUTS, samples), samples)}
    for name, values in arrays.items():
        told = found[name]
        assert told["mean"] == pytest.approx(values.mean(dtype=np.float64), rel=1e-6)
        assert told["std"] == pytest.approx(values.std(dtype=np.float64), rel=1e-6)
        assert (told["min"], told["max"]) == (pytest.approx(values.min()), pytest.approx(values.max()))
        assert sum(told["histogram"]["counts"]) == values.size
    assert found["a"]["histogram"]["above"] == 200, "nothing of 1000 lies within int8 at 0.5"
    assert found["b"]["histogram"]["edges"][0] == pytest.approx(arrays["b"].min())


def test_a_sample_that_is_not_finite_is_named() -> None:
    samples = as_samples(np.array([[0.0, 1], [np.nan, 1]]))
    tensors = (Tensor("a", (1, 2), "int8", 0.5, 0),)
    with pytest.raises(UsageError, match="Sample 1 has values that are not finite"):
        observe(tensors, bins_for(tensors, samples), samples)


def test_the_order_of_samples_does_not_matter(arrays: dict[str, np.ndarray]) -> None:
    samples = as_samples(arrays)
    bins = bins_for(INPUTS, samples)
    there = [each.to_json() for each in observe(INPUTS, bins, samples)]
    back = [each.to_json() for each in observe(INPUTS, bins, samples.choose(range(49, -1, -1)))]
    assert there == back
