"""Nodes that nothing needs: shapes are known here, so what only computes a shape goes, and whatever it alone needed."""

from __future__ import annotations

from dataclasses import replace

from edgeq.micro.graph import Graph, Node
from edgeq.micro.shapes import fixed_shapes

EFFECTS = ("ASSIGN_VARIABLE",)
SHAPE_INPUTS = {"RESHAPE": 1, "TILE": 1, "BROADCAST_TO": 1, "RESIZE_NEAREST_NEIGHBOR": 1, "TRANSPOSE_CONV": 0}
"""An input of an operator that holds a shape, or what follows from one: its output has it already."""


def prune(graph: Graph) -> Graph:
    """The graph without shape inputs and without nodes whose results nobody uses."""
    graph = fixed_shapes(graph)
    nodes = [_without_shape(node) for node in graph.nodes]
    needed = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(nodes):
        if node.op in EFFECTS or needed & set(node.outputs):
            kept.append(node)
            needed |= set(node.inputs)
    return replace(graph, nodes=tuple(reversed(kept)))


def _without_shape(node: Node) -> Node:
    left_out = SHAPE_INPUTS.get(node.op)
    return replace(node, inputs=tuple(-1 if at == left_out else index for at, index in enumerate(node.inputs)))
