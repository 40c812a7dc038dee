"""Models that were converted for any batch size: their shapes are found again, and their bytes are TFLM's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import single_ops
from draws import Case
from hypothesis import HealthCheck, Phase, given, settings

from edgeq.errors import EdgeqError
from edgeq.micro.compile import compile_model
from edgeq.micro.graph import Graph, Node, Tensor, read_graph
from edgeq.micro.native import NativeModel
from edgeq.micro.shapes import RULES, fixed_shapes

MODELS = Path(__file__).resolve().parents[1] / "cases" / "models"


def test_a_model_for_any_batch_has_the_bytes_of_one_for_a_batch_of_1() -> None:
    oracles = pytest.importorskip("oracles", reason="TFLM's wheel is not installed")
    dynamic, fixed = ((MODELS / f"batch_{name}_int8.tflite").read_bytes() for name in ("any", "1"))
    rng = np.random.default_rng(1)
    steps = [[rng.integers(-128, 128, (1, 12, 4)).astype(np.int8)] for _ in range(10)]
    with NativeModel(compile_model(dynamic).image()) as model:
        found = [model.invoke([array.tobytes() for array in step]) for step in steps]
    assert found == [[array.tobytes() for array in step] for step in oracles.tflm(fixed, steps)]


@pytest.mark.parametrize("name", sorted(RULES.keys() & single_ops.OPS.keys()))
def test_a_forgotten_side_is_found_again(name: str) -> None:
    @settings(
        max_examples=20, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(single_ops.cases(name))
    def check(case: Case) -> None:
        graph = read_graph(case.model)
        assert [tensor.shape for tensor in fixed_shapes(forgotten(graph)).tensors] == [t.shape for t in graph.tensors]

    check()


def forgotten(graph: Graph) -> Graph:
    """The same with 1 for the first side of every result."""
    made = {index for node in graph.nodes for index in node.outputs}
    tensors = [
        replace(tensor, shape=(1, *tensor.shape[1:])[: len(tensor.shape)], dynamic=True) if at in made else tensor
        for at, tensor in enumerate(graph.tensors)
    ]
    return replace(graph, tensors=tuple(tensors))


def graph_of(op: str, constants: list[np.ndarray], dtype: str = "int32", **options: int) -> Graph:  # type: ignore[type-arg]
    """One operator over constants."""
    tensors = [
        Tensor(f"t{at}", data.shape, data.dtype.name, (), (), 0, 0, False, index=at, data=data)
        for at, data in enumerate(constants)
    ]
    out = Tensor("out", (1,), dtype, (), (), 0, 0, False, index=len(tensors), data=None, dynamic=True)
    node = Node(op, tuple(range(len(tensors))), (out.index,), options)
    return Graph((*tensors, out), (node,), (), (out.index,), {})


SIDES = np.array([2, 3, 4], np.int32)
MASKS = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}
ONE = [np.array([value], np.int32) for value in range(3)]


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (graph_of("REDUCE_PROD", [SIDES, ONE[0]]), 24),
        (graph_of("GATHER", [SIDES, np.array([2, 0], np.int32)], axis=0), [4, 2]),
        (graph_of("CONCATENATION", [SIDES, ONE[1]], axis=0), [2, 3, 4, 1]),
        (graph_of("PACK", [SIDES[0], SIDES[1]], axis=0), [2, 3]),
        (graph_of("STRIDED_SLICE", [SIDES, ONE[1], ONE[2], ONE[1]], **MASKS), [3]),
        (graph_of("STRIDED_SLICE", [SIDES, ONE[1], ONE[2], ONE[1]], **{**MASKS, "shrink_axis_mask": 1}), 3),
        (graph_of("STRIDED_SLICE", [SIDES, ONE[1], ONE[2], ONE[1]], **{**MASKS, "end_mask": 1}), [3, 4]),
        (graph_of("MUL", [SIDES, ONE[2]]), [4, 6, 8]),
        (graph_of("FILL", [SIDES[:2], np.array(7, np.int8)], "int8"), [[7] * 3] * 2),
    ],
    ids=lambda value: value.nodes[0].op if isinstance(value, Graph) else "",
)
def test_arithmetic_on_shapes_is_done_here(graph: Graph, expected: object) -> None:
    done = fixed_shapes(graph)
    assert not done.nodes
    data = done.tensors[-1].data
    assert data is not None and data.tolist() == expected
    assert done.tensors[-1].shape == data.shape


def test_a_tensor_of_any_size_is_not_made() -> None:
    graph = graph_of("FILL", [np.full(4, 1 << 20, np.int32), np.array(7, np.int8)], "int8")
    assert fixed_shapes(graph).nodes == graph.nodes


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_one_ends_in_an_error_for_people(seed: int) -> None:
    data = bytearray((MODELS / "batch_any_int8.tflite").read_bytes())
    rng = np.random.default_rng(seed)
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(0, len(data) // 4)) * 4
        data[at : at + 4] = int(rng.choice([0, 1, -1, 2, 255, 1 << 30])).to_bytes(4, "little", signed=True)
    try:
        compile_model(bytes(data))
    except EdgeqError as error:
        assert error.hint
