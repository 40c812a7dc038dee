"""4-bit weights where they cost least: which layers get them first, and how small the model becomes on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgeq.errors import ConvertError
from edgeq.model.tflite import read_model
from edgeq.quantize.detect import weights
from edgeq.quantize.engine.pipeline import Prepared, finish, prepare
from edgeq.quantize.outputs import Runner, sqnr_db
from edgeq.quantize.recipe import REPAIRS, Override, Recipe
from edgeq.quantize.repair.spread import spread
from edgeq.quantize.samples import Samples
from edgeq.quantize.sensitivity import pattern_of, short
from edgeq.quantize.task import Job

FOUR_BITS = ("clip-weights", "round-weights", "correct-biases")
"""What 4-bit weights are written with: each of these gains (ic at 70 % of its int8 size: 21 dB become 26)."""
SAVINGS = (0.25, 0.5, 0.75, 0.9, 1.0)
"""Of the bytes that 4 bits in all layers would save: the steps that are worth a trial."""
_SEEN = 32
"""Samples that layers are compared on."""
LEAST = 512
"""Weights of a layer that is worth it: a smaller one saves too little."""


@dataclass(frozen=True)
class Step:
    """A recipe with 4 bits for some layers, and the size of its model."""

    recipe: Recipe
    size_bytes: int


def steps(
    model: bytes, samples: Samples, recipe: Recipe, progress: Callable[[str], None] = lambda _: None
) -> list[Step]:
    """`recipe`, of 8-bit weights; then with 4 bits for one layer after the other, those first that lose least for each
    byte that they save. The last step has them in every layer that is worth it."""
    plain = replace(recipe, repairs=())
    prepared = prepare(model, samples, plain, progress)
    repairs = tuple(name for name in REPAIRS if name in (*recipe.repairs, *FOUR_BITS))
    found, overrides = [Step(recipe, len(finish(prepared, plain)))], recipe.overrides
    for override in _ranked(prepared, samples, plain, progress):
        overrides = (*overrides, override)
        size_bytes = len(finish(prepared, replace(plain, overrides=overrides)))
        found.append(Step(replace(recipe, overrides=overrides, repairs=repairs), size_bytes))
    return found


def chosen(walked: Sequence[Step], savings: Sequence[float] = SAVINGS) -> list[Recipe]:
    """For each share of what the last step saves, the recipe of the first one that saves as much."""
    saved = [walked[0].size_bytes - step.size_bytes for step in walked]
    if saved[-1] <= 0:
        return []
    places = [
        next(place for place, bytes_less in enumerate(saved) if bytes_less >= share * saved[-1]) for share in savings
    ]
    return [walked[place].recipe for place in dict.fromkeys(places)]


def smaller(job: Job) -> list[dict[str, Any]]:
    """The task: `options` hold `recipe`, of 8-bit weights; gives recipes with 4 bits here and there, the largest model
    first."""
    walked = steps(job.model, job.samples, Recipe.from_json(job.options["recipe"]), job.progress)
    return [recipe.to_json() for recipe in chosen(walked)]


def _ranked(prepared: Prepared, samples: Samples, plain: Recipe, progress: Callable[[str], None]) -> Iterator[Override]:
    """One override for each layer that is worth it, by noise in the answers for each weight."""
    graph = read_model(prepared.model).subgraphs[0]
    seen = samples.choose(spread(len(samples), _SEEN))
    wanted = Runner(prepared.model).answers(seen)
    ranked: list[tuple[float, Override]] = []
    for operator in graph.operators:
        held = weights(graph, operator)
        if held is not None and held.elements >= LEAST:
            override = Override(plain.mode.replace("_wi8_", "_wi4_"), tensor=pattern_of(graph, operator))
            progress(f"4 bits for {short(graph.tensors[operator.outputs[0]].name)}")
            try:
                made = finish(prepared, replace(plain, overrides=(*plain.overrides, override)))
            except ConvertError:
                continue  # an operator without a form of 4-bit weights
            noise = 10 ** (-sqnr_db(wanted, Runner(made).answers(seen)) / 10)
            ranked.append((noise / held.elements, override))
    yield from (override for _, override in sorted(ranked, key=lambda each: (each[0], each[1].tensor)))
