"""Where a training begins: the float model as it is, or with its channels evened out where that is clearly better.

Cross-layer equalization changes nothing of what a model computes, and what no training can make good, a tensor's range
that a single channel takes from all others, it takes away. It can hurt a healthy model, so both are tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgeq.finetune.graph import Graph, read_graph
from edgeq.finetune.scales import shared_ranges
from edgeq.quantize.engine.ranges import Range, ranges
from edgeq.quantize.engine.statistics import observe
from edgeq.quantize.engine.writer import write
from edgeq.quantize.outputs import Runner, sqnr_db
from edgeq.quantize.recipe import Ranging, Recipe
from edgeq.quantize.repair.equalize import equalize
from edgeq.quantize.samples import Samples

METHOD = "robust"
"""How ranges begin: without samples that are not like the others, and with the steps that inputs have already."""
CLEARLY_DB = 2.0
COMPARED = 64


@dataclass(frozen=True)
class Start:
    """A float `model` to train, its graph, and the range of the first tensor of each group (`edgeq.finetune.scales`).
    `sqnr_db` is what its integer form reaches without training."""

    model: bytes
    graph: Graph
    ranges: dict[int, Range]
    equalized: bool
    sqnr_db: float


def start(model: bytes, samples: Samples, recipe: Recipe) -> Start:
    """The better one; `samples` are some that are trained on."""
    plain = _one(model, samples, recipe, False)
    even = _one(equalize(model), samples, recipe, True)
    return even if even.sqnr_db > plain.sqnr_db + CLEARLY_DB else plain


def _one(model: bytes, samples: Samples, recipe: Recipe, equalized: bool) -> Start:
    found = ranges(observe(model, samples), Ranging(METHOD))
    graph = read_graph(model)
    # Overrides name tensors, and equalization keeps names.
    written = write(model, replace(recipe, ranges=Ranging(METHOD)), found)
    compared = samples.choose(range(min(COMPARED, len(samples))))
    decibels = sqnr_db(Runner(model).answers(compared), Runner(written).answers(compared))
    return Start(model, graph, shared_ranges(graph, found), equalized, decibels)
