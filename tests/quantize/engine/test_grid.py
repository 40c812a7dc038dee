"""What training settled is written as it is, or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tinymodel

from edgeq.errors import ConvertError, UsageError
from edgeq.finetune.graph import channels, read_graph
from edgeq.finetune.result import with_values
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.grid import check_weights, given_ranges
from edgeq.quantize.engine.pipeline import finish, finish_exactly, observed, prepare, quantize
from edgeq.quantize.engine.ranges import ranges
from edgeq.quantize.engine.statistics import observe
from edgeq.quantize.recipe import Ranging, Recipe
from edgeq.quantize.samples import as_samples
from edgeq.quantize.trained import Trained


def on_grid(share: float = 1.0) -> tuple[bytes, Trained]:
    """`tiny` with weights on an int8 grid of one step for each channel; `share` of the range of its values."""
    model = tinymodel.converted().float_model
    graph = read_graph(model)
    values, weights = {}, {}
    for index, axis in graph.weights().items():
        most = channels(graph.constants[index], axis) * np.float32(share)
        integers = np.clip(np.rint(graph.constants[index] / most * 127), -127, 127)
        values[index] = np.asarray(integers * (most / 127), np.float32)
        weights[graph.names[index]] = most.ravel().tolist()
    seen = ranges(observe(model, as_samples(tinymodel.samples())), Ranging())
    return with_values(model, values), Trained.of({name: (each.low, each.high) for name, each in seen.items()}, weights)


def test_trained_ranges_are_those_of_the_written_model_whatever_the_samples() -> None:
    model, trained = on_grid(0.9)
    wide = replace(trained, ranges=tuple((name, low * 3, high * 5) for name, low, high in trained.ranges))
    for each in (trained, wide):
        made = quantize(model, None, Recipe(trained=each))
        check_weights(model, made)
        image = read_model(made).inputs[0]
        low, high = next((low, high) for name, low, high in each.ranges if name == image.name)
        assert image.scales[0] == pytest.approx((high - low) / 255, rel=1e-4)
        assert quantize(model, as_samples(tinymodel.samples() * 100), Recipe(trained=each)) == made


def test_16_bits_get_no_headroom_either() -> None:
    model, trained = on_grid()
    made = read_model(quantize(model, None, Recipe("static_wi8_ai16", trained=trained)))
    low, high = next((low, high) for name, low, high in trained.ranges if name == made.inputs[0].name)
    assert made.inputs[0].dtype == "int16" and made.inputs[0].scales[0] == pytest.approx(
        max(-low, high) / 32767, rel=1e-3
    )


def test_ranges_of_another_model_and_weights_off_their_grid_are_refused() -> None:
    model, trained = on_grid(0.8)
    strange = replace(trained, ranges=(*trained.ranges, ("zebra", -1.0, 1.0)))
    with pytest.raises(UsageError, match="no tensor 'zebra'"):
        given_ranges(model, strange)
    untrained = tinymodel.converted().float_model
    prepared = prepare(untrained, None, Recipe(trained=trained))
    with pytest.raises(ConvertError, match="steps from the grid that training left them on") as caught:
        finish_exactly(prepared, Recipe(trained=trained))
    assert finish(prepared, Recipe(trained=trained))  # for a look at what another recipe would give
    assert "edgeq finetune" in caught.value.hint


def test_they_are_not_observed_again() -> None:
    model, trained = on_grid()
    with pytest.raises(UsageError, match="ranges were trained") as caught:
        observed(model, as_samples(tinymodel.samples()), Recipe(trained=trained), histograms=False)
    assert "--repair" in caught.value.hint
