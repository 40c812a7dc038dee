"""How many samples it takes: int8 models calibrated on few and on many, measured on samples held back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.calibration.evidence import Evidence, Floats, Numbers, Point
from edgeq.calibration.outliers import LIMIT, widening
from edgeq.errors import ConvertError
from edgeq.finding import Finding
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.ranges import ranges
from edgeq.quantize.engine.statistics import Statistics, TensorStatistics
from edgeq.quantize.engine.writer import write
from edgeq.quantize.outputs import Runner, sqnr_db
from edgeq.quantize.recipe import Ranging, Recipe
from edgeq.quantize.samples import Samples

SIZES = (5, 10, 20, 50, 100, 200, 400)
DRAWS = 3
MANY = 100
"""So many samples or more give the same figure whichever they are: one draw tells it."""
HELD_BACK = 40
LEAST = 16
"""Fewer samples than this cannot be shared between calibrating and holding back."""
FEW = 32
"""Fewer calibration samples than this are worth a warning."""
ENOUGH_DB = 1.0
POOR_DB = 10.0
"""Answers with less of signal over error are of no use, whatever the samples: a third of their size is error."""
_BUDGET_MACS = 3e10
_SEED = 0


def measure(model: bytes, statistics: Statistics, samples: Samples, extremes: Floats, answers: Floats) -> list[Point]:
    """The curve, from one look at all samples: the ranges of any part of them follow from it. Empty where there are too
    few samples, or where the engine has no int8 form of the model."""
    count = len(samples)
    if count < LEAST:
        return []
    order = np.random.default_rng(_SEED).permutation(count)
    # A strange sample among those held back would say nothing of the others.
    plain = widening(extremes)[order] <= LIMIT
    held = order[plain][: min(HELD_BACK, count // 4)]
    if not len(held):
        return []
    rest = np.array([place for place in order if place not in set(held.tolist())])
    sizes = [size for size in SIZES if size < len(rest)] + [len(rest)]
    runs = max(1, int(_BUDGET_MACS / max(1, read_model(model).macs() * len(held))))
    draws = max(1, min(DRAWS, runs // len(sizes)))
    sizes = sizes[:: max(1, -(-len(sizes) * draws // runs))] if runs < len(sizes) else sizes
    back = samples.choose([int(place) for place in held])
    points = []
    try:
        for size in sizes:
            figures = [
                _sqnr_db(model, part(statistics, _draw(rest, size, draw)), back, answers[held])
                for draw in range(draws if size < MANY else 1)
            ]
            points.append(Point(size, tuple(figures)))
    except ConvertError:
        return []
    return points


def _draw(rest: Numbers, size: int, draw: int) -> Numbers:
    return np.random.default_rng((_SEED, draw)).permutation(rest)[:size]


def _sqnr_db(model: bytes, statistics: Statistics, samples: Samples, wanted: Floats) -> float:
    recipe = Recipe(ranges=Ranging("min-max"))
    return sqnr_db(wanted, Runner(write(model, recipe, ranges(statistics, recipe.ranges))).answers(samples))


def part(statistics: Statistics, places: Numbers) -> Statistics:
    """Of some of the samples, as far as min and max need them."""
    tensors = {
        name: TensorStatistics(
            name, each.lows[places], each.highs[places], each.means, each.channel_lows, each.channel_highs
        )
        for name, each in statistics.tensors.items()
    }
    return Statistics(tensors, len(places))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Whether there are enough samples, and what fewer would cost."""
    count = len(evidence.calibration)
    curve = evidence.model.curve if evidence.model else ()
    if count < FEW:
        yield Finding(
            "few-samples",
            "warning",
            f"There are {count} samples to calibrate on; ranges from fewer than {FEW} depend on which these are.",
            "Give 100 to 500 that cover what the device will see.",
            count,
            FEW,
        )
    if len(curve) < 2:
        return
    best = max(point.median_db for point in curve)
    enough = next(point for point in curve if point.median_db >= best - ENOUGH_DB)
    first, last, before = curve[0], curve[-1], curve[-2]
    have = f"the {best:.1f} dB that an int8 model's answers have on samples held back"
    if best < POOR_DB:
        yield Finding(
            "sample-size",
            "warning",
            f"No number of these samples makes a good int8 model: its answers have {best:.1f} dB of signal over error "
            f"at most, on samples held back; {POOR_DB:.0f} dB are let pass.",
            "See where it is lost with 'edgeq sensitivity'. Often columns of the input are of very different sizes: "
            "bring each to the same scale in [preprocess], before the model, or take --mode static_wi8_ai16.",
            best,
            POOR_DB,
        )
        return
    text = f"{enough.size} samples would do" if enough.size < last.size else f"All {last.size} samples are of use"
    costs = [f"{each.size} cost {best - each.median_db:.1f} dB" for each in dict.fromkeys((first, enough))]
    yield Finding(
        "sample-size",
        "info",
        f"{text}: {', '.join(costs)} of {have}.",
        "" if enough.size < last.size else "The curve still rises: more samples may help.",
        last.median_db - before.median_db,
        ENOUGH_DB,
    )
