"""Which tensors share a scale, and the steps of 4-bit weights."""

from __future__ import annotations

import numpy as np
import pytest
from finetune_cases import float_model, made

from edgeq.errors import ConvertError
from edgeq.finetune.graph import read_graph
from edgeq.finetune.scales import FIXED, fixed, groups, least_error_scales, named_ranges, shared_ranges
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.ranges import Range
from edgeq.quantize.engine.writer import write
from edgeq.quantize.recipe import Recipe


def test_what_only_moves_values_shares_its_scale_and_the_range_holds_all() -> None:
    graph = read_graph((made() / "shapes.tflite").read_bytes())
    shared = groups(graph)
    ranges = {graph.names[index]: Range(-1.0, float(index + 1)) for index in shared}
    found = shared_ranges(graph, ranges)
    for node in graph.nodes:
        if node.name in ("CONCATENATION", "SPACE_TO_DEPTH", "RESHAPE", "RESIZE_BILINEAR"):
            assert len({shared[index] for index in (*graph.computed(node), *node.outputs)}) == 1
    for index, first in shared.items():
        assert found[first].high >= index + 1 and found[first].low == -1
    assert len(found) < len(shared)


@pytest.mark.parametrize("name", ["layers", "shapes", "pools"])
def test_the_writer_gives_the_scales_that_training_saw(name: str) -> None:
    model = (made() / f"{name}.tflite").read_bytes()
    graph = read_graph(model)
    draw = np.random.default_rng(1)
    drawn = {graph.names[index]: Range(-float(draw.random()), float(draw.random() + 0.1)) for index in groups(graph)}
    ranges = named_ranges(graph, shared_ranges(graph, drawn))
    made_ = read_model(write(model, Recipe(), ranges)).subgraphs[0]
    written = {tensor.name: tensor.scales[0] for tensor in made_.tensors if tensor.scales and not tensor.data_bytes}
    seen = {name: (each.high - each.low) / 255 for name, each in ranges.items()}
    assert len(written.keys() & seen.keys()) > 3
    for tensor in written.keys() & seen.keys():
        assert written[tensor] == pytest.approx(seen[tensor], rel=1e-5), tensor


def test_a_softmax_has_the_range_of_its_kernel_and_a_tensor_without_one_is_named() -> None:
    graph = read_graph(float_model())
    assert fixed(graph) == {graph.outputs[0]: FIXED["SOFTMAX"]}
    with pytest.raises(ConvertError, match="has no range"):
        shared_ranges(graph, {})


def test_steps_of_least_error_beat_those_of_the_largest_value() -> None:
    values = np.random.default_rng(0).standard_t(4, (6, 3, 3, 16)).astype(np.float32)

    def error(steps: np.ndarray) -> np.ndarray:
        return np.square(np.clip(np.rint(values / steps), -7, 7) * steps - values).sum(axis=(1, 2, 3))

    largest = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / 7
    found = least_error_scales(values, 0, 7)
    assert found.shape == (6, 1, 1, 1)
    assert (error(found) <= error(largest)).all() and error(found).sum() < 0.9 * error(largest).sum()
