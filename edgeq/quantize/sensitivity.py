"""Which layers lose most when their numbers become integers, what more bits would buy there, and where runtimes part.

Everything is the signal-to-noise ratio of the model's answers before a softmax, against the float model on the same
samples. The functions run models in their own process: call them through `edgeq.quantize.task`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.info import Operator, Subgraph
from edgeq.model.macs import Work, operator_macs
from edgeq.model.tflite import read_model
from edgeq.quantize.detect import weights
from edgeq.quantize.engine.pipeline import Prepared, finish, prepare
from edgeq.quantize.outputs import Floats, Runner, sqnr_db
from edgeq.quantize.recipe import Override, Recipe
from edgeq.quantize.repair.spread import spread
from edgeq.quantize.samples import Samples, each
from edgeq.quantize.task import Job

FEW = 64
"""Samples that answers are compared on: more moves the figures by less than they differ between layers."""
SEEN = 16
"""Samples that every tensor is compared on."""
WIDE = "static_wi8_ai16"


@dataclass(frozen=True)
class Layer:
    """An operator with so many `weights`. `alone_db`: it alone is quantized; `int16_db` and `float_db`: everything
    is, and it has 16-bit activations or stays float. `pattern` is what an override names it by."""

    name: str
    operator: str
    weights: int
    macs: int
    alone_db: float
    int16_db: float | None
    float_db: float | None
    pattern: str


@dataclass(frozen=True)
class TensorNoise:
    """One tensor between operators, quantized against float. `saturated`: the share of its values at the end of its
    integers, where that cuts off something; `used`: the share of its integers that occur between its extremes."""

    name: str
    operator: str
    dtype: str
    sqnr_db: float
    saturated: float
    used: float


@dataclass(frozen=True)
class Divergence:
    """The first operator whose result differs between two sets of kernels on the same inputs; `steps` is by how much at
    most, `answer_steps` what is left of it at the end. Empty names where nothing differs."""

    first: str
    second: str
    operator: str
    tensor: str
    steps: int
    answer_steps: int


def analyse(job: Job) -> dict[str, Any]:
    """The task: `options` hold `recipe` and may hold `samples`, how many to compare on, and `quick`: layers only, and
    of these only what each loses alone."""
    recipe = Recipe.from_json(job.options["recipe"])
    compared = job.samples.choose(spread(len(job.samples), int(job.options.get("samples", FEW))))
    job.progress("observing the float model")
    prepared = prepare(job.model, job.samples, _quiet(recipe), job.progress)
    float_answers = Runner(prepared.model).answers(compared)
    whole = finish(prepared, recipe)
    all_db = sqnr_db(float_answers, Runner(whole).answers(compared))
    quick = bool(job.options.get("quick"))
    found = layers(prepared, recipe, compared, float_answers, job.progress, quick=quick)
    if quick:
        return {"layers": [asdict(layer) for layer in found]}
    seen = compared.choose(spread(len(compared), SEEN))
    return {
        "recipe": recipe.to_json(),
        "sqnr_db": all_db,
        "samples": len(compared),
        "layers": [asdict(layer) for layer in found],
        "tensors": [asdict(tensor) for tensor in tensors(prepared.model, whole, seen)],
        "divergence": asdict(divergence(whole, seen)),
    }


def layers(
    prepared: Prepared,
    recipe: Recipe,
    samples: Samples,
    float_answers: Floats,
    progress: Callable[[str], None] = lambda _: None,
    *,
    quick: bool = False,
) -> list[Layer]:
    """Every operator with weights, the most sensitive first."""
    graph = read_model(prepared.model).subgraphs[0]
    listed = [(operator, pattern_of(graph, operator)) for operator in graph.operators if weights(graph, operator)]

    def measured(changed: Recipe) -> float:
        return sqnr_db(float_answers, Runner(finish(prepared, changed)).answers(samples))

    found = []
    for place, (operator, pattern) in enumerate(listed, 1):
        progress(f"layer {place} of {len(listed)}")
        held = weights(graph, operator)
        assert held is not None
        spared = [
            replace(recipe, overrides=(*recipe.overrides, Override(mode, tensor=pattern))) for mode in (WIDE, "float32")
        ]
        alone = Recipe("float32", overrides=(Override(recipe.mode, tensor=pattern, granularity=recipe.granularity),))
        found.append(
            Layer(
                short(graph.tensors[operator.outputs[0]].name),
                operator.name,
                held.elements,
                _macs(graph, operator),
                measured(alone),
                measured(spared[0]) if recipe.activations == "int8" and not quick else None,
                None if quick else measured(spared[1]),
                pattern,
            )
        )
    return sorted(found, key=lambda layer: (layer.alone_db, layer.pattern))


def tensors(float_model: bytes, quantized: bytes, samples: Samples) -> list[TensorNoise]:
    """Every tensor that both models have under one name, in the order of the operators."""
    reference, subject = Runner(float_model), Runner(quantized)
    places = {tensor.name: index for index, tensor in enumerate(reference.info.subgraphs[0].tensors)}
    graph = subject.info.subgraphs[0]
    wanted = [
        (operator.name, index, places[graph.tensors[index].name])
        for operator in graph.operators
        for index in operator.outputs
        if graph.tensors[index].name in places and len(graph.tensors[index].scales) == 1
    ]
    sums = {index: _Sums() for _, index, _ in wanted}
    for values in each(samples, reference.info.inputs):
        reference.run(values)
        subject.run(values)
        for _, index, place in wanted:
            sums[index].add(reference.tensor(place), subject.tensor(index), subject.integers(index))
    return [
        TensorNoise(short(graph.tensors[index].name), operator, graph.tensors[index].dtype, *sums[index].told())
        for operator, index, _ in wanted
    ]


def divergence(model: bytes, samples: Samples, first: str = "builtin", second: str = "reference") -> Divergence:
    """Follow a quantized model through two sets of kernels of the runtime of this machine."""
    one, other = Runner(model, first), Runner(model, second)
    graph = one.info.subgraphs[0]
    worst: dict[int, int] = {}
    for values in each(samples, one.info.inputs):
        one.run(values)
        other.run(values)
        for operator in graph.operators:
            for index in operator.outputs:
                differs = np.abs(one.integers(index).astype(np.float64) - other.integers(index).astype(np.float64))
                worst[index] = max(worst.get(index, 0), int(np.ceil(differs.max())) if differs.size else 0)
    for operator in graph.operators:
        for index in operator.outputs:
            if worst.get(index):
                name = short(graph.tensors[index].name)
                return Divergence(first, second, operator.name, name, worst[index], worst.get(graph.outputs[-1], 0))
    return Divergence(first, second, "", "", 0, 0)


class _Sums:
    """One tensor, as its samples come by."""

    def __init__(self) -> None:
        self.signal = self.error = 0.0
        self.cut = self.count = 0
        self.seen: set[int] = set()

    def add(self, wanted: Floats, got: Floats, integers: NDArray[Any]) -> None:
        """After one inference of both."""
        flat, real = wanted.ravel(), got.ravel()
        self.signal += float(np.square(flat, dtype=np.float64).sum())
        self.error += float(np.square(flat - real, dtype=np.float64).sum())
        if integers.dtype.kind == "i":
            ends = np.iinfo(integers.dtype)
            at_end = (integers.ravel() == ends.max) | (integers.ravel() == ends.min)
            step = np.abs(real).max() / 64 if real.size else 0.0
            self.cut += int((at_end & (np.abs(flat - real) > step)).sum())
            if integers.dtype == np.int8:
                self.seen.update(np.unique(integers).tolist())
        self.count += flat.size

    def told(self) -> tuple[float, float, float]:
        """SQNR in dB, share cut off, share of the integers used (1 where they are too many to count)."""
        decibels = 200.0 if not self.error else 10 * float(np.log10(max(self.signal, 1e-30) / self.error))
        span = max(self.seen) - min(self.seen) + 1 if self.seen else 256
        return decibels, self.cut / max(self.count, 1), span / 256


def pattern_of(graph: Subgraph, operator: Operator) -> str:
    """What an override names exactly this operator by."""
    names = "".join(graph.tensors[index].name + ";" for index in operator.outputs)
    return f"^{re.escape(names)}$"


def short(name: str) -> str:
    """A tensor's name without the names that the converter fused into it."""
    parts = [part for part in name.split(";") if part]
    return parts[0] if parts else name


def _macs(graph: Subgraph, operator: Operator) -> int:
    shapes = [graph.tensors[index].shape if index >= 0 else () for index in operator.inputs]
    work = Work(shapes, [graph.tensors[index].shape for index in operator.outputs], operator.transposed_x)
    return operator_macs(operator.name, work)


def _quiet(recipe: Recipe) -> Recipe:
    """A recipe that has ranges observed whatever its mode."""
    return recipe if recipe.needs_samples else replace(recipe, mode="static_wi8_ai8", io="auto", overrides=())
