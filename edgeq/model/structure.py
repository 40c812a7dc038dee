"""Whether the graphs of a model hang together: what is read was written before, and no graph runs itself.

A runtime that trusts a file in this would read memory that nobody wrote, or never end.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.errors import ArtifactError
from edgeq.model.flatbuffer import damaged
from edgeq.model.info import Operator, Subgraph

MAX_DEPTH = 64

_MAY_LACK_ITS_SECOND = ("LSTM", "RNN")
"""Parts of names of operators that may leave out their second input; none may leave out its first. XNNPACK follows
a convolution's missing weights into a crash."""


def check_structure(graphs: Sequence[Subgraph]) -> None:
    """`ArtifactError` for the first graph that does not hang together."""
    for graph in graphs:
        _check_order(graph)
    _check_calls(graphs)


def _check_order(graph: Subgraph) -> None:
    """Operators run in the order of the file: each reads what is there by then, and writes what nobody else does."""
    stored = {
        index for index, tensor in enumerate(graph.tensors) if tensor.data_bytes or tensor.variable or 0 in tensor.shape
    }
    known = {*stored, *graph.inputs}
    fixed = {index for index in known if not graph.tensors[index].variable}
    for operator in graph.operators:
        _check_whole(operator)
        for index in operator.inputs:
            if index >= 0 and index not in known:
                raise _unordered(graph, operator, index, "reads", "before anything wrote it")
        for index in operator.outputs:
            if index in fixed and graph.tensors[index].elements:
                raise _unordered(graph, operator, index, "writes", "which is written already")
            known.add(index)
            fixed.add(index)
    for index in graph.outputs:
        if index not in known:
            raise damaged(f"nothing writes the output '{graph.tensors[index].name}'")


def _check_whole(operator: Operator) -> None:
    needed = 1 if any(part in operator.name for part in _MAY_LACK_ITS_SECOND) else 2
    if not operator.custom and -1 in operator.inputs[:needed]:
        raise damaged(f"a {operator.name} lacks its input {operator.inputs.index(-1)}")


def _unordered(graph: Subgraph, operator: Operator, index: int, does: str, what: str) -> ArtifactError:
    return damaged(f"a {operator.custom or operator.name} {does} the tensor '{graph.tensors[index].name}' {what}")


def _check_calls(graphs: Sequence[Subgraph]) -> None:
    """Every graph that an operator runs exists, and none runs itself, directly or by others."""
    called = [sorted({number for operator in graph.operators for number in operator.graphs}) for graph in graphs]
    for numbers in called:
        for number in numbers:
            if not 0 <= number < len(graphs):
                raise damaged(f"an operator runs graph {number} of {len(graphs)}")
    depths: dict[int, int] = {}
    while len(depths) < len(graphs):
        ready = [
            index
            for index, numbers in enumerate(called)
            if index not in depths and all(number in depths for number in numbers)
        ]
        if not ready:
            raise damaged("a graph runs itself")
        for index in ready:
            depths[index] = 1 + max((depths[number] for number in called[index]), default=0)
    if max(depths.values(), default=0) > MAX_DEPTH:
        raise damaged(f"its graphs run each other more than {MAX_DEPTH} deep")
