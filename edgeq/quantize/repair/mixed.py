"""4-bit weights where they cost least: which layers get them so that a model stays below a size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgeq.errors import ConvertError
from edgeq.model.tflite import read_model
from edgeq.quantize.detect import weights
from edgeq.quantize.engine.pipeline import finish, prepare
from edgeq.quantize.outputs import Runner, sqnr_db
from edgeq.quantize.recipe import Override, Recipe
from edgeq.quantize.repair.spread import spread
from edgeq.quantize.samples import Samples
from edgeq.quantize.sensitivity import pattern_of

_SEEN = 32
"""Samples that layers are compared on."""
_LEAST = 512
"""Weights of a layer that is worth it: a smaller one saves too little."""


def mixed(
    model: bytes,
    samples: Samples,
    recipe: Recipe,
    most_bytes: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Recipe:
    """`recipe`, of 8-bit weights, with 4 bits for the layers that lose least for each byte that they save, until the
    model has no more than `most_bytes`. `ConvertError` where it has more with all of them.
    """
    plain = replace(recipe, repairs=())
    prepared = prepare(model, samples, plain, progress)
    graph = read_model(prepared.model).subgraphs[0]
    seen = samples.choose(spread(len(samples), _SEEN))
    wanted = Runner(prepared.model).answers(seen)
    ranked: list[tuple[float, Override]] = []
    for operator in graph.operators:
        held = weights(graph, operator)
        if held is not None and held.elements >= _LEAST:
            override = Override(recipe.mode.replace("_wi8_", "_wi4_"), tensor=pattern_of(graph, operator))
            progress(f"4 bits for layer {len(ranked) + 1}")
            made = finish(prepared, replace(plain, overrides=(*plain.overrides, override)))
            noise = 10 ** (-sqnr_db(wanted, Runner(made).answers(seen)) / 10)
            ranked.append((noise / held.elements, override))
    ranked.sort(key=lambda each: (each[0], each[1].tensor))
    for count in range(1, len(ranked) + 1):
        chosen = replace(recipe, overrides=(*recipe.overrides, *(override for _, override in ranked[:count])))
        if len(finish(prepared, replace(chosen, repairs=()))) <= most_bytes:
            return chosen
    raise ConvertError(
        f"With 4-bit weights in every layer the model is still larger than {most_bytes:,} bytes.",
        "Allow a larger model.",
    )
