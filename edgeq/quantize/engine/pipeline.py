"""Post-training quantization from end to end: float `.tflite` and samples -> the model that a recipe describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.quantize import weights
from edgeq.quantize.engine.grid import check_weights, given_ranges
from edgeq.quantize.engine.headroom import with_headroom
from edgeq.quantize.engine.outliers import outliers
from edgeq.quantize.engine.ranges import NEED_HISTOGRAMS, PLAIN, Ranges, ranges
from edgeq.quantize.engine.statistics import Statistics, observe
from edgeq.quantize.engine.writer import WeightRanges, write
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.apply import SCALING, repaired, scaling
from edgeq.quantize.repair.net import replaced
from edgeq.quantize.repair.work import Work
from edgeq.quantize.samples import Samples

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Observed:
    """A float model whose channels have been scaled, and what its tensors do on `samples`: those that count."""

    model: bytes
    samples: Samples
    statistics: Statistics


@dataclass(frozen=True)
class Prepared:
    """A float model ready to be written: it computes what the given one does, and has the ranges of its tensors.
    `constants` take the place of its own when it is written (repaired weights and biases, by tensor). `statistics` are
    of this model; None, and no ranges, for a recipe that needs no samples."""

    model: bytes
    ranges: Ranges
    weights: WeightRanges = field(default_factory=dict)
    statistics: Statistics | None = None
    constants: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def prepare(model: bytes, samples: Samples | None, recipe: Recipe, progress: Progress = lambda _: None) -> Prepared:
    """Repair, observe, and find the ranges. `samples` may be None where the recipe needs none, or has trained ranges:
    these are taken as they are."""
    if recipe.trained:
        return Prepared(model, *given_ranges(model, recipe.trained))
    if not recipe.needs_samples or samples is None:
        return Prepared(model, {})
    histograms = recipe.ranges.method in NEED_HISTOGRAMS
    return complete(observed(model, samples, recipe, histograms=histograms, progress=progress), recipe, progress)


def observed(
    model: bytes, samples: Samples, recipe: Recipe, *, histograms: bool, progress: Progress = lambda _: None
) -> Observed:
    """The first half of `prepare`: the samples that are like the others, unless ranges are to be `PLAIN`, and channels
    scaled by the recipe's repairs. The same for all recipes with the same such repairs."""
    if recipe.trained:
        raise UsageError(
            "The recipe's ranges were trained: other ranges and repairs would part them from the weights of training.",
            "Build without --repair, or from a recipe without 'trained'.",
        )
    told = _counted(progress, len(samples))
    statistics = observe(model, samples, histograms=histograms, progress=told)
    strange = outliers(statistics) if recipe.ranges.method != PLAIN else ()
    if strange:
        samples = samples.choose([place for place in range(len(samples)) if place not in strange])
        statistics = observe(model, samples, histograms=histograms)
    for name in scaling(recipe):
        progress(f"repair: {name}")
        model = SCALING[name](model, statistics)
        statistics = observe(model, samples, histograms=histograms)
    return Observed(model, samples, statistics)


def complete(seen: Observed, recipe: Recipe, progress: Progress = lambda _: None) -> Prepared:
    """The second half of `prepare`: ranges, and the repairs of weights and biases for them."""
    found = ranges(seen.statistics, recipe.ranges)
    work = Work(seen.model, seen.samples, recipe, seen.statistics, found, progress=progress)
    done = repaired(work)
    return Prepared(done.model, found, done.weights, seen.statistics, done.constants)


def finish(prepared: Prepared, recipe: Recipe) -> bytes:
    """Write what was prepared. The whole-model modes that only store weights smaller are written as TensorFlow does."""
    model = replaced(prepared.model, prepared.constants)
    if recipe.overrides or recipe.mode not in _STORED:
        found = prepared.ranges if recipe.trained else with_headroom(prepared.ranges, model, recipe)
        return write(model, recipe, found, prepared.weights)
    return _STORED[recipe.mode](model, recipe)


_STORED: dict[str, Callable[[bytes, Recipe], bytes]] = {
    "dynamic_wi8_afp32": lambda model, recipe: weights.dynamic(model, per_channel=recipe.granularity == "channel"),
    "float16": lambda model, _: weights.float16(model),
    "float32": lambda model, _: model,
}


def finish_exactly(prepared: Prepared, recipe: Recipe) -> bytes:
    """`finish`; where the ranges were trained, the weights must be those of the training. `ConvertError` otherwise."""
    made = finish(prepared, recipe)
    if recipe.trained:
        check_weights(prepared.model, made)
    return made


def quantize(model: bytes, samples: Samples | None, recipe: Recipe, progress: Progress = lambda _: None) -> bytes:
    """`prepare` and `finish_exactly`: the bytes of the quantized `.tflite`, whose types are not yet checked
    (`edgeq.quantize.verify`)."""
    return finish_exactly(prepare(model, samples, recipe, progress), recipe)


def _counted(progress: Progress, count: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        if done % 100 == 0 and done < count:
            progress(f"observing sample {done} of {count}")

    return told
