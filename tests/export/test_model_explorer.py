"""Node data name nodes as Model Explorer's own adapters do (their answer is recorded)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeq.errors import UsageError
from edgeq.export.model_explorer import GRAPH, node_data
from edgeq.model.tflite import read_model
from edgeq.profile.table import Row, profiled

CASES = Path(__file__).parents[1] / "cases"
RECORDED = json.loads((CASES / "model_explorer" / "tiny_int8.json").read_text(encoding="utf-8"))
MAIN = read_model((CASES / "models" / "tiny_int8.tflite").read_bytes()).subgraphs[0]


def table(rows: list[Row], unit: str = "ns") -> dict[str, Any]:
    return profiled(rows, [10_000], {"unit": unit, "how": "measured", "source": "x"}, [])


def rows() -> list[Row]:
    names = [MAIN.tensors[operator.outputs[0]].name for operator in MAIN.operators]
    return [
        Row(operator.name, "builtin", [1000 * index], 1, index, name)
        for index, (operator, name) in enumerate(zip(MAIN.operators, names, strict=True))
    ]


@pytest.mark.parametrize("adapter", ["direct", "mlir"])
def test_every_op_is_found_on_the_graph(adapter: str) -> None:
    data = node_data(table(rows()))
    assert list(data) == list(RECORDED[adapter]) == [GRAPH]
    shown = {tensor: node["label"] for node in RECORDED[adapter][GRAPH] for tensor in node["tensors"]}
    found = [(shown[key], result["value"]) for key, result in data[GRAPH]["results"].items()]
    assert found == [(operator.name.lower(), index / 1000) for index, operator in enumerate(MAIN.operators)]


def test_names_that_occur_twice_give_way_to_places() -> None:
    data = node_data(
        table([Row("ADD", "x", [1], 1, 0, "same"), Row("ADD", "x", [2], 1, 1, "same"), Row("?", "x", [3])])
    )
    assert list(data[GRAPH]["results"]) == ["0", "1"]


def test_the_graph_has_the_name_that_the_file_gives_it() -> None:
    """A file with several signatures calls its main graph as the first of them."""
    assert list(node_data({**table(rows()), "graph": "encode"})) == ["encode"]


def test_colours_run_from_the_least_to_the_most() -> None:
    gradient = node_data(table(rows(), "instructions"))[GRAPH]["gradient"]
    assert [stop["stop"] for stop in gradient] == [0, 0.5, 1]


def test_without_ops_there_is_nothing_to_draw() -> None:
    with pytest.raises(UsageError, match="nothing to draw"):
        node_data(table([Row("conv_i8", "conv_i8", [5])]))


def test_the_packages_own_classes_take_it() -> None:
    builder = pytest.importorskip("model_explorer.node_data_builder")
    graph = node_data(table(rows()))[GRAPH]
    results = {key: builder.NodeDataResult(**value) for key, value in graph["results"].items()}
    gradient = [builder.GradientItem(**stop) for stop in graph["gradient"]]
    made = builder.GraphNodeData(name=graph["name"], results=results, gradient=gradient)
    again = json.loads(builder.ModelNodeData({GRAPH: made}).to_json_string())[GRAPH]
    assert (again["results"], again["gradient"]) == (graph["results"], graph["gradient"])
