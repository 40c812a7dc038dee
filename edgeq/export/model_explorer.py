"""A profile as node data for Model Explorer (ai-edge-model-explorer): colours on the graph of the `.tflite` file.

The form is that of `model_explorer.node_data_builder`: for each graph results by node. A node is named by its output
tensor, which every adapter of Model Explorer knows, or by its place in the graph, which the direct one uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from edgeq.errors import UsageError

GRAPH = "main"
"""What Model Explorer calls the first graph of a file that gives it no name."""
GRADIENT = (
    {"stop": 0, "bgColor": "#ffffff", "textColor": "#000000"},
    {"stop": 0.5, "bgColor": "#f9c74f", "textColor": "#000000"},
    {"stop": 1, "bgColor": "#d62828", "textColor": "#ffffff"},
)


def node_data(profile: Mapping[str, Any]) -> dict[str, Any]:
    """By the name of the main graph, as the file has it, what each op takes, in ms or instructions; `UsageError` where
    it is not known which op of the model is which."""
    placed = [op for op in profile["ops"] if "index" in op]
    if not placed:
        raise UsageError(
            "The profile does not say which op of the model is which, so there is nothing to draw on its graph.",
            "Where edgeq-micro runs the model give the bundle that was deployed (--bundle).",
        )
    twice = {name for name, count in Counter(op.get("name") for op in placed).items() if count > 1 or not name}
    keys = [str(op["index"]) if op.get("name") in twice else str(op["name"]) for op in placed]
    timed = profile["unit"] == "ns"
    values = {key: op["mid"] / 1e6 if timed else op["mid"] for key, op in zip(keys, placed, strict=True)}
    return {
        str(profile.get("graph") or GRAPH): {
            "name": f"{'time (ms)' if timed else 'instructions'}, {profile['how']}",
            "results": {key: {"value": value} for key, value in values.items()},
            "gradient": [dict(stop) for stop in GRADIENT],
        }
    }
