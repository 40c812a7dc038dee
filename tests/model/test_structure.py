from __future__ import annotations

import pytest

from edgeq.errors import ArtifactError
from edgeq.model.info import Operator, Subgraph, TensorInfo
from edgeq.model.structure import MAX_DEPTH, check_structure


def _tensor(name: str, stored: int = 0, variable: bool = False, shape: tuple[int, ...] = (1, 4)) -> TensorInfo:
    return TensorInfo(name, shape, "int8", (), (), 0, stored, variable)


TENSORS = (_tensor("x"), _tensor("w", 4), _tensor("a"), _tensor("y"), _tensor("state", variable=True))


def _graph(*operators: Operator, inputs: tuple[int, ...] = (0,), outputs: tuple[int, ...] = (3,)) -> Subgraph:
    return Subgraph("main", TENSORS, operators, inputs, outputs)


def _op(inputs: tuple[int, ...], outputs: tuple[int, ...], name: str = "ADD", graphs: tuple[int, ...] = ()) -> Operator:
    return Operator(name, "", inputs, outputs, graphs=graphs)


def test_a_graph_in_order_is_accepted() -> None:
    check_structure([_graph(_op((0, 1), (2,)), _op((2, 4), (3, 4)))])
    check_structure([_graph(_op((0, 1, -1), (3,), "FULLY_CONNECTED"))])
    check_structure([_graph(_op((0, -1, 1), (3,), "UNIDIRECTIONAL_SEQUENCE_LSTM"))])


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (_graph(_op((2, 1), (3,)), _op((0, 1), (2,))), "a ADD reads the tensor 'a' before anything wrote it"),
        (_graph(_op((0, 1), (2,))), "nothing writes the output 'y'"),
        (_graph(_op((0, 1), (3,)), _op((0, 1), (3,))), "writes the tensor 'y' which is written already"),
        (_graph(_op((0, 1), (1, 3))), "writes the tensor 'w' which is written already"),
        (_graph(_op((0, 1), (0, 3))), "writes the tensor 'x' which is written already"),
        (_graph(_op((0, -1, 1), (3,), "CONV_2D")), "a CONV_2D lacks its input 1"),
        (_graph(_op((-1, 1), (3,), "UNIDIRECTIONAL_SEQUENCE_LSTM")), "lacks its input 0"),
    ],
)
def test_a_graph_that_does_not_hang_together_is_told(graph: Subgraph, words: str) -> None:
    with pytest.raises(ArtifactError, match=words) as caught:
        check_structure([graph])
    assert caught.value.hint


def _calling(*called: int) -> Subgraph:
    return _graph(_op((0, 1), (3,), "WHILE", called))


def test_graphs_that_do_not_exist_or_run_themselves_are_told() -> None:
    check_structure([_calling(1, 2), _calling(2), _calling()])
    for graphs, words in (
        ([_calling(1)], "runs graph 1 of 1"),
        ([_calling(-1)], "runs graph -1 of 1"),
        ([_calling(0)], "a graph runs itself"),
        ([_calling(1), _calling(2), _calling(1)], "a graph runs itself"),
    ):
        with pytest.raises(ArtifactError, match=words):
            check_structure(graphs)


def test_graphs_that_run_each_other_without_end_in_sight_are_told() -> None:
    chain = [_calling(index + 1) for index in range(MAX_DEPTH)]
    with pytest.raises(ArtifactError, match="more than 64 deep"):
        check_structure([*chain, _calling()])
