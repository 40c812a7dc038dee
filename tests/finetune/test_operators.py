"""The graph that is trained computes what LiteRT computes, for a batch as for one sample at a time."""

from __future__ import annotations

import numpy as np
import pytest
from finetune_cases import made

from edgeq.errors import ConvertError
from edgeq.finetune.graph import Node, read_graph
from edgeq.finetune.operators import OPERATORS, run
from edgeq.model.tflite import read_model
from edgeq.quantize.outputs import Runner

NAMES = ("layers", "shapes", "pools", "curves")


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_what_the_runtime_gives_for_each_sample(name: str) -> None:
    runner, held = Runner((made() / f"{name}.tflite").read_bytes()), np.load(made() / f"{name}.npz")
    output = runner.info.subgraphs[0].outputs[0]
    wanted = []
    for sample in held["x"]:
        runner.run([sample[None]])
        wanted.append(runner.tensor(output))
    assert held["y"].shape == np.concatenate(wanted).shape
    assert np.allclose(held["y"], np.concatenate(wanted), atol=2e-5)


def test_these_networks_hold_most_of_the_operators() -> None:
    found = {name for each in NAMES for name in read_model((made() / f"{each}.tflite").read_bytes()).op_counts()}
    # Others come from converters that fold them differently, or are other names for one function.
    rare = {"PADV2", "RELU_N1_TO_1", "PRELU", "HARD_SWISH", "SUM", "RSQRT", "SQUEEZE", "EXPAND_DIMS", "RELU6"}
    assert set(OPERATORS) - found <= rare, set(OPERATORS) - found - rare


def test_an_unknown_operator_and_one_across_the_batch_are_named() -> None:
    graph = read_graph((made() / "curves.tflite").read_bytes())
    last = graph.nodes[-1]
    with pytest.raises(ConvertError, match=r"The operator FFT at .* differentiate"):
        run(None, graph, Node("FFT", last.inputs, last.outputs, None), [])
    shaped = read_graph((made() / "shapes.tflite").read_bytes())
    moved = next(node for node in shaped.nodes if node.name == "TRANSPOSE")
    shaped.constants[moved.inputs[1]] = np.array([1, 0, 2, 3], np.int32)
    with pytest.raises(ConvertError, match="moves the batch"):
        run(None, shaped, moved, [])


def test_distances_are_zero_for_the_same_answers_and_errors_small_for_right_ones() -> None:
    held = np.load(made() / "losses.npz")
    assert np.abs(held["same"]).max() < 1e-6 and held["apart"].min() > 0.01
    right, wrong, right_chance, wrong_chance = held["errors"]
    assert right < wrong / 4 and right_chance < wrong_chance / 4
