from __future__ import annotations

import numpy as np
import pytest
from floatnets import FloatNet, answers, samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.model.tflite import read_model
from edgeq.quantize.engine.pipeline import finish, prepare, quantize
from edgeq.quantize.outputs import Runner, sqnr_db
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.moments import Grid, grids
from edgeq.quantize.repair.net import Net, replaced
from edgeq.quantize.repair.patches import grouped, patches, ungrouped
from edgeq.quantize.repair.round_weights import _carried, _improved
from edgeq.quantize.samples import as_samples
from edgeq.quantize.verify import check_mode

MODE = "static_wi4_ai8"


@settings(max_examples=15, suppress_health_check=(HealthCheck.too_slow,))
@given(seed=st.integers(0, 1000), kinds=st.text("cdp", min_size=1, max_size=4))
def test_patches_times_weights_are_what_a_layer_computes(seed: int, kinds: str) -> None:
    model = FloatNet(seed, kinds, "NONE").model
    net, runner = Net(model), Runner(model)
    runner.run([samples(1)])
    for layer in net.layers:
        rows = patches(net, layer, runner.tensor(layer.source))
        weights = grouped(net, layer, net.array(layer.weights))
        assert np.array_equal(ungrouped(net, layer, weights), net.array(layer.weights))
        sums = np.einsum("gpk,grk->pgr", rows, weights).reshape(len(rows[0]), -1) + net.array(layer.bias)
        wanted = runner.tensor(layer.target).reshape(sums.shape)
        assert np.allclose(sums, wanted, atol=1e-4 * max(1, float(np.abs(wanted).max())))


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), inputs=st.integers(2, 12))
def test_rounding_together_is_no_worse_than_alone(seed: int, inputs: int) -> None:
    draws = np.random.default_rng(seed)
    data = draws.normal(size=(50, inputs)) @ draws.normal(size=(inputs, inputs))
    matrix = (data.T @ data / 50 + 1e-3 * np.eye(inputs))[None]
    goal, grid = draws.normal(0, 3, size=(1, 5, inputs)), Grid(np.ones(5, np.float32), -8, 7)

    def error(steps: np.ndarray) -> np.ndarray:
        return np.einsum("gri,gij,grj->gr", goal - steps, matrix, goal - steps)

    nearest = grid.near(goal, np.ones(1))
    carried = _carried(goal, matrix, grid)
    assert np.array_equal(carried, np.rint(carried)) and carried.min() >= -8 and carried.max() <= 7
    for start in (nearest, carried):
        before = error(start)
        assert (error(_improved(goal, start.copy(), matrix, grid)) <= before + 1e-9).all()


def test_what_is_written_is_what_was_rounded() -> None:
    model, recipe = FloatNet(2, "cdc").model, Recipe(MODE, repairs=("clip-weights", "round-weights"))
    prepared = prepare(model, as_samples(samples()), recipe)
    written = finish(prepared, recipe)
    check_mode(read_model(written), recipe)
    net, on_grid = Net(prepared.model), Net(replaced(prepared.model, prepared.constants))
    assert grids(net, written)
    for layer in net.layers:
        grid = grids(net, written)[layer.place]
        shape = [1] * net.array(layer.weights).ndim
        shape[layer.axis] = -1
        steps = on_grid.array(layer.weights) / grid.scales.reshape(shape)
        assert np.allclose(steps, np.rint(steps), atol=1e-3)


@pytest.mark.parametrize(
    "repairs",
    [("clip-weights",), ("round-weights",), ("correct-biases",), ("clip-weights", "round-weights", "correct-biases")],
)
def test_each_repair_of_4_bit_weights_gains(repairs: tuple[str, ...]) -> None:
    before, after = [], []
    for seed in range(4):
        model = FloatNet(seed, "ccdc").model
        x, held = samples(40), samples(40, seed=9)
        wanted = answers(model, held)
        for told, chosen in ((before, ()), (after, repairs)):
            told.append(sqnr_db(wanted, answers(quantize(model, as_samples(x), Recipe(MODE, repairs=chosen)), held)))
    assert np.mean(after) > np.mean(before)


def test_the_float_model_stays_what_it_was() -> None:
    model = FloatNet(2, "cdc").model
    recipe = Recipe(MODE, repairs=("clip-weights", "round-weights", "correct-biases"))
    assert np.array_equal(answers(prepare(model, as_samples(samples()), recipe).model), answers(model))
