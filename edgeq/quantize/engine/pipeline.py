"""Post-training quantization from end to end: float `.tflite` and samples -> the model that a recipe describes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edgeq.quantize import weights
from edgeq.quantize.engine.ranges import NEED_HISTOGRAMS, Ranges, ranges
from edgeq.quantize.engine.statistics import Statistics, observe
from edgeq.quantize.engine.writer import WeightRanges, write
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import Samples

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A float model ready to be written: after its repairs, with the ranges of its tensors. `statistics` are of this
    model; None, and no ranges, for a recipe that needs no samples."""

    model: bytes
    ranges: Ranges
    weights: WeightRanges = field(default_factory=dict)
    statistics: Statistics | None = None


def prepare(model: bytes, samples: Samples | None, recipe: Recipe, progress: Progress = lambda _: None) -> Prepared:
    """Repair, observe, and find the ranges. `samples` may be None where the recipe needs none."""
    if not recipe.needs_samples or samples is None:
        return Prepared(model, {})
    told = _counted(progress, len(samples))
    statistics = observe(model, samples, histograms=recipe.ranges.method in NEED_HISTOGRAMS, progress=told)
    return Prepared(model, ranges(statistics, recipe.ranges), {}, statistics)


def finish(prepared: Prepared, recipe: Recipe) -> bytes:
    """Write what was prepared. The whole-model modes that only store weights smaller are written as TensorFlow does."""
    if recipe.overrides or recipe.mode not in _STORED:
        return write(prepared.model, recipe, prepared.ranges, prepared.weights)
    return _STORED[recipe.mode](prepared.model, recipe)


_STORED: dict[str, Callable[[bytes, Recipe], bytes]] = {
    "dynamic_wi8_afp32": lambda model, recipe: weights.dynamic(model, per_channel=recipe.granularity == "channel"),
    "float16": lambda model, _: weights.float16(model),
    "float32": lambda model, _: model,
}


def quantize(model: bytes, samples: Samples | None, recipe: Recipe, progress: Progress = lambda _: None) -> bytes:
    """`prepare` and `finish`: the bytes of the quantized `.tflite`, not yet checked (`edgeq.quantize.verify`)."""
    return finish(prepare(model, samples, recipe, progress), recipe)


def _counted(progress: Progress, count: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        if done % 100 == 0 and done < count:
            progress(f"observing sample {done} of {count}")

    return told
