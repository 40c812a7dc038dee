"""One trial: a recipe, and what comes of it on calibration data. The same on any machine and in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq import fit
from edgeq.errors import ConvertError, EdgeqError, FitError
from edgeq.micro.compile import compile_model
from edgeq.micro.footprint import footprint
from edgeq.model.info import ModelInfo
from edgeq.model.macs import Work, operator_macs
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.host import MICRO
from edgeq.quantize.outputs import Floats, Runner, sqnr_db
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import Samples
from edgeq.quantize.verify import check_mode
from edgeq.target import TargetProfile

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Material:
    """What every trial of a search works on. `fitting` and `held` are arrays (n, ...), one for each input: ranges come
    from the former, figures from the latter. `labels` (n,) are those of `held`; `answers` (n, m) the float model's."""

    model: bytes
    names: tuple[str, ...]
    fitting: Arrays
    held: Arrays
    labels: NDArray[np.int64] | None
    answers: Floats
    target: TargetProfile

    @property
    def sha256(self) -> str:
        """The digest of everything that a trial's figures depend on, beside its recipe."""
        digest = hashlib.sha256(self.model)
        for array in (*self.fitting, *self.held, *(() if self.labels is None else (self.labels,))):
            digest.update(f"{array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(self.target.path.read_bytes() if self.target.path.is_file() else self.target.name.encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Result:
    """What a recipe gives. `loss` is in points: of accuracy on the held-back calibration samples where these have
    labels, else the share whose class changed. `work`: multiply-accumulates, each times the bytes of what it reads and
    makes, relative to int8; an estimate to sort by. `error` says why there is no model, or why it does not fit."""

    recipe: Recipe
    size_bytes: int = 0
    sqnr_db: float = -200.0
    loss: float = 100.0
    work: float = 0.0
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """For a file; the reverse of `from_json`."""
        return {**{k: v for k, v in asdict(self).items() if k != "recipe"}, "recipe": self.recipe.to_json()}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Result:
        """The reverse of `to_json`."""
        return Result(**{**told, "recipe": Recipe.from_json(told["recipe"])})


def run(material: Material, recipe: Recipe) -> Result:
    """Write the model by `recipe`, hold it to it, and see what it answers. Never raises an `EdgeqError`."""
    fitting, held = _samples(material.names, material.fitting), _samples(material.names, material.held)
    try:
        model = quantize(material.model, fitting, recipe)
        info = read_model(model)
        check_mode(info, recipe)
        answers = Runner(model).answers(held)
        result = Result(
            recipe,
            len(model),
            sqnr_db(material.answers, answers),
            loss_points(material.answers, answers, material.labels),
            work(info),
        )
        return replace(result, error=_misfit(model, info, recipe, material.target))
    except EdgeqError as error:
        return Result(recipe, error=error.message)


def loss_points(wanted: Floats, got: Floats, labels: NDArray[np.int64] | None) -> float:
    """By how many points fewer answers are right; without labels, how many in a hundred changed."""
    before, after = wanted.argmax(axis=1), got.argmax(axis=1)
    if labels is None:
        return float((before != after).mean() * 100)
    return float(((before == labels).mean() - (after == labels).mean()) * 100)


def work(info: ModelInfo) -> float:
    """Millions of multiply-accumulates, each weighted by the bytes of one activation: 1 in int8, 2 in int16, 4 in
    float32."""
    total = 0.0
    for graph, operator in info.operators:
        shapes = [graph.tensors[index].shape if index >= 0 else () for index in operator.inputs]
        made = [graph.tensors[index] for index in operator.outputs]
        macs = operator_macs(operator.name, Work(shapes, [each.shape for each in made], operator.transposed_x))
        width = {"int8": 1, "uint8": 1, "int16": 2}.get(made[0].dtype, 4) if made else 1
        total += macs * width / 1e6
    return total


def mode_of(recipe: Recipe) -> str:
    """The word for a model by this recipe in `edgeq.fit`."""
    return fit.MIXED if recipe.overrides else recipe.mode


def _misfit(model: bytes, info: ModelInfo, recipe: Recipe, target: TargetProfile) -> str:
    """Why the model does not fit the target; empty where it does."""
    try:
        findings = [finding for mode in recipe.modes for finding in fit.precheck(target, mode)]
        findings += fit.check(info, target, mode_of(recipe))
        fit.require(findings, target)
        if target.kind == "mcu":
            findings += fit.check_plan(footprint(compile_model(model), target.port), target)
        elif target.runtime.kernels == MICRO and target.kind != "android":
            compile_model(model)
        fit.require(findings, target)
    except (FitError, ConvertError) as error:
        return error.message
    return ""


def _samples(names: Sequence[str], arrays: Arrays) -> Samples:
    return Samples(tuple(names), len(arrays[0]), lambda index: [array[index] for array in arrays])
