"""Both experiments with coarse weights."""

from __future__ import annotations

import numpy as np
import pytest
from floatnets import FloatNet, samples

from edgeq.errors import UsageError
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.pipeline import finish, prepare
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.apply import experiments
from edgeq.quantize.repair.net import Net, replaced
from edgeq.quantize.samples import as_samples
from edgeq.quantize.verify import check_mode


@pytest.mark.parametrize(("name", "most"), [("ternary", 3), ("binary", 2)])
def test_inner_layers_have_so_many_values_for_each_output(name: str, most: int) -> None:
    model, recipe = FloatNet(4, "cccc").model, Recipe(repairs=(name,))
    prepared = prepare(model, as_samples(samples()), recipe)
    check_mode(read_model(finish(prepared, recipe)), recipe)
    before, after = Net(model), Net(replaced(prepared.model, prepared.constants))
    for layer in after.layers[1:-1]:
        for row in np.moveaxis(after.array(layer.weights), layer.axis, 0):
            assert len(np.unique(row)) <= most
    for layer in (after.layers[0], after.layers[-1]):
        assert np.array_equal(after.array(layer.weights), before.array(layer.weights))


def test_it_says_that_nothing_gets_faster() -> None:
    (finding,) = experiments(Recipe(repairs=("ternary",)))
    assert finding.code == "experimental-weights" and "run as int8" in finding.message
    assert not experiments(Recipe(repairs=("equalize",)))


@pytest.mark.parametrize("repairs", [("ternary", "binary"), ("ternary", "round-weights")])
def test_what_decides_the_weights_goes_alone(repairs: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="do not go together"):
        Recipe(repairs=repairs)


def test_a_mode_without_ranges_has_no_repairs() -> None:
    with pytest.raises(UsageError, match="has no repairs"):
        Recipe("dynamic_wi8_afp32", repairs=("equalize",))
