"""Which operators of the `.tflite` file each record of its plan does: fusion and pruning followed back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from edgeq.micro.fuse import fuse_dilations, fuse_ops, fuse_pads
from edgeq.micro.graph import Graph, Node, read_graph
from edgeq.micro.lower import OPERATORS, elementwise
from edgeq.micro.lower.context import Lowering
from edgeq.micro.plan import Plan
from edgeq.micro.prune import prune
from edgeq.micro.records import Dequantize, Op
from edgeq.model.macs import Work, operator_macs
from edgeq.model.tflite import Operator, Subgraph, read_model

Origins = tuple[tuple[int, ...], ...]
"""For each record the operators of the main graph that it does, by index: the one that it is for comes first."""


def trace(model: bytes, kinds: Sequence[int]) -> Origins | None:
    """The origins of a plan with records of these `kinds`, in order; None where this compiler makes another plan."""
    return next((origins for found, origins in _plans(model) if found == tuple(kinds)), None)


@lru_cache(maxsize=2)
def _plans(model: bytes) -> tuple[tuple[tuple[int, ...], Origins], ...]:
    """The plans that `edgeq.micro.compile` chooses from: kinds of their records, and origins."""
    main = read_model(model).subgraphs[0]
    graph = fuse_pads(fuse_dilations(prune(read_graph(model))))
    plan, nodes = _lowered(graph)
    sources = [_operators(main, graph, node) for node in graph.nodes]

    def origins(op: Op, made: Plan) -> tuple[int, ...]:
        parts = {index for part in _parts(plan, made, op) for index in sources[nodes[id(part)]]}
        return tuple(sorted(parts, key=lambda index: (-_macs(main, main.operators[index]), -index)))

    return tuple(
        (tuple(op.kind for op in made.ops), tuple(origins(op, made) for op in made.ops))
        for made in (fuse_ops(plan), fuse_ops(plan, copies=False), plan)
    )


def _lowered(graph: Graph) -> tuple[Plan, dict[int, int]]:
    """The plan before records are fused, and for each record, by identity, the place of its node."""
    low, nodes = Lowering(graph), dict[int, int]()
    inputs = tuple(low.allocate(graph.tensors[index]) for index in graph.inputs)
    for place, node in enumerate(graph.nodes):
        if not elementwise.of_float(low, node):
            done = len(low.ops)
            OPERATORS[node.op](low, node)
            nodes.update((id(op), place) for op in low.ops[done:])
    outputs = tuple(low.view(graph.tensors[index]) for index in graph.outputs)
    read = {view.buffer for view in (*(view for op in low.ops for view in op.reads), *outputs)}
    kept = tuple(op for op in low.ops if not isinstance(op, Dequantize) or op.out.buffer in read)
    return Plan(kept, inputs, outputs, tuple(low.states)), nodes


def _parts(before: Plan, after: Plan, op: Op) -> list[Op]:
    """The records of `before` that one of `after` does."""
    if any(op is part for part in before.ops):
        return [op]
    given = {part.out.buffer for part in after.ops}
    found: list[Op] = []
    waiting = [part for part in before.ops if part.out == op.out]
    while waiting:
        part = waiting.pop()
        found.append(part)
        gone = {view for view in part.reads if view.buffer not in given and view.buffer.data is None}
        waiting += [other for other in before.ops if other.out in gone and not any(other is item for item in found)]
    return found


def _operators(main: Subgraph, graph: Graph, node: Node) -> list[int]:
    """The operators of the file that a node of the pruned graph does."""
    given = {index for other in graph.nodes for index in other.outputs} - set(node.outputs)
    return list(_back(main, node.outputs, lambda index: index in given or index in node.inputs))


def _back(main: Subgraph, tensors: Iterable[int], known: Callable[[int], bool]) -> Iterator[int]:
    """From tensors back to the operators that give them, as far as what is `known`."""
    makers = {tensor: index for index, operator in enumerate(main.operators) for tensor in operator.outputs}
    waiting, seen = list(tensors), set[int]()
    while waiting:
        index = makers.get(waiting.pop())
        if index is None or index in seen:
            continue
        seen.add(index)
        yield index
        waiting += [tensor for tensor in main.operators[index].inputs if tensor >= 0 and not known(tensor)]


def _macs(main: Subgraph, operator: Operator) -> int:
    shapes = [main.tensors[index].shape if index >= 0 else () for index in operator.inputs]
    return operator_macs(
        operator.name, Work(shapes, [main.tensors[i].shape for i in operator.outputs], operator.transposed_x)
    )
