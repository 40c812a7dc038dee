"""Room above what was seen, where the type of a tensor makes it cheap: known only when a model is written."""

from __future__ import annotations

from edgeq.model.tflite import read_model
from edgeq.quantize.engine.ranges import Range, Ranges
from edgeq.quantize.engine.writer import modes
from edgeq.quantize.recipe import HEADROOM_16, Recipe, activations


def with_headroom(ranges: Ranges, model: bytes, recipe: Recipe) -> Ranges:
    """`ranges`, wider by `HEADROOM_16` for tensors that only operators with 16-bit activations touch, and that are no
    8-bit input or output of the model; as they are where the recipe says its own headroom."""
    if recipe.ranges.headroom or not any(activations(mode) == "int16" for mode in recipe.modes):
        return ranges
    info = read_model(model)
    graph = info.subgraphs[0]
    wide: set[int] = set()
    narrow: set[int] = {*graph.inputs, *graph.outputs} if recipe.io_type == "int8" else set()
    for operator, mode in zip(graph.operators, modes(info, recipe), strict=True):
        (wide if activations(mode) == "int16" else narrow).update((*operator.inputs, *operator.outputs))
    names = {graph.tensors[index].name for index in wide - narrow if index >= 0}
    return {
        name: Range(each.low * HEADROOM_16, each.high * HEADROOM_16) if name in names else each
        for name, each in ranges.items()
    }
