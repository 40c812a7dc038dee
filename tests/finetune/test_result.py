"""The result: what training saw is what is written, and what a build gives."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from finetune_cases import float_model

from edgeq.errors import ConvertError
from edgeq.finetune.graph import channels, read_graph
from edgeq.finetune.result import OnGrid, with_values
from edgeq.finetune.scales import groups, named_ranges, shared_ranges
from edgeq.finetune.settings import recipe_for
from edgeq.finetune.student import LEVELS, bits_of
from edgeq.quantize.engine.grid import check_weights, given_ranges
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.engine.ranges import Range
from edgeq.quantize.trained import Trained


def on_grid(bits: int) -> OnGrid:
    """The weights rounded to grids that are not those of their largest values."""
    model = float_model()
    graph = read_graph(model)
    wanted = bits_of(graph, recipe_for(graph.info, bits))
    values, weights = {}, {}
    for index, axis in graph.weights().items():
        real, levels = graph.constants[index], LEVELS[wanted[index]]
        step = channels(real, axis) * np.float32(0.8 if levels == 7 else 1.0) / levels
        values[index] = (np.clip(np.rint(real / step), -levels, levels) * step).astype(np.float32)
        weights[graph.names[index]] = (step * levels).ravel()
    ranges = {graph.names[index]: Range(-2.0, 3.0) for index in groups(graph)}
    return OnGrid(with_values(model, values), named_ranges(graph, shared_ranges(graph, ranges)), weights)


@pytest.mark.parametrize("bits", [8, 4])
def test_the_written_weights_are_those_of_the_float_model_and_another_one_is_named(bits: int) -> None:
    found, recipe = on_grid(bits), recipe_for(read_graph(float_model()).info, bits)
    made = found.write(recipe)
    check_weights(found.model, made)
    graph = read_graph(found.model)
    index = next(index for index, count in bits_of(graph, recipe).items() if count == bits)
    spoilt = graph.constants[index].copy()
    spoilt.flat[0] += found.weights[graph.names[index]].max() / 2
    with pytest.raises(ConvertError, match=r"steps from the grid that training left"):
        check_weights(with_values(found.model, {index: spoilt}), made)


def test_what_is_written_is_what_a_build_with_these_ranges_gives() -> None:
    found, recipe = on_grid(4), recipe_for(read_graph(float_model()).info, 4)
    ranges, weights = given_ranges(found.model, found.trained)
    assert {name: (each.low, each.high) for name, each in ranges.items()} == {
        name: (np.float32(each.low), np.float32(each.high)) for name, each in found.ranges.items()
    }
    assert all(np.array_equal(weights[name], found.weights[name]) for name in found.weights)
    again = replace(recipe, trained=Trained.from_json(json.loads(json.dumps(found.trained.to_json()))))
    assert quantize(found.model, None, again) == found.write(recipe)
