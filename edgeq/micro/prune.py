"""Nodes that nothing needs: shapes are known here, so what only computes a shape goes, and whatever it alone needed."""

from __future__ import annotations

from dataclasses import replace

from edgeq.micro.graph import Graph, Node

EFFECTS = ("ASSIGN_VARIABLE",)
SHAPE_INPUTS = {"RESHAPE": 1}
"""How many inputs of an operator count; those behind them hold a shape that its output has already."""


def prune(graph: Graph) -> Graph:
    """The graph without shape inputs and without nodes whose results nobody uses."""
    nodes = [replace(node, inputs=node.inputs[: SHAPE_INPUTS.get(node.op, len(node.inputs))]) for node in graph.nodes]
    needed = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(nodes):
        if node.op in EFFECTS or needed & set(node.outputs):
            kept.append(node)
            needed |= set(node.inputs)
    return replace(graph, nodes=tuple(reversed(kept)))
