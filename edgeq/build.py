"""`edgeq build`: model and representative data -> a bundle for each target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import fit
from edgeq.assemble import Ingredients, assemble, runtime_wheels, title_of
from edgeq.bundle import Bundle
from edgeq.dataset import Dataset, open_dataset
from edgeq.errors import ConvertError, UsageError
from edgeq.fit import Finding
from edgeq.interface import Interface
from edgeq.micro.compile import Compiled, compile_model
from edgeq.micro.footprint import footprint
from edgeq.micro.frontend.golden import golden_raw
from edgeq.model.describe import describe, read_labels
from edgeq.model.metadata import labels_of
from edgeq.model.names import input_names
from edgeq.model.tflite import ModelInfo, read_model
from edgeq.preprocess import Preprocess, Raw
from edgeq.quantize.convert import Converted, convert, given_mode
from edgeq.quantize.detect import Detected
from edgeq.quantize.evaluate import Evaluation, Labelled, Variant, evaluate
from edgeq.quantize.golden import Golden, from_samples, from_seed, make_golden, spread
from edgeq.quantize.host import MICRO, host_runtime
from edgeq.quantize.prepare import labelled, model_input, prepared, raw_input
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import Samples
from edgeq.target import TargetProfile

Progress = Callable[[str], None]
RAW_GOLDEN = 2
"""How many golden vectors begin with raw input; on microcontrollers one does, of the first MICRO_TRIES that will do."""
MICRO_TRIES = 8


@dataclass(frozen=True)
class Declared:
    """What the project says of the model's interface, and the model's file does not know."""

    labels: Sequence[str] | Path | None = None
    preprocess: Preprocess | None = None
    threshold: float | None = None
    smoothing: int = 1


@dataclass(frozen=True)
class Built:
    """One bundle. `evaluation` as docs/bundle.md has it, None without a labelled set; `findings` hold no errors."""

    bundle: Bundle
    model: ModelInfo
    evaluation: Mapping[str, Any] | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Data:
    """The representative data with the places of the samples that are used, and the labelled set."""

    preprocess: Preprocess | None
    calibration: Dataset | None = None
    places: Sequence[int] = ()
    evaluation: Labelled | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def samples(self) -> Samples | None:
        return prepared(self.calibration, self.preprocess, self.places) if self.calibration else None


def build(
    model: Path,
    targets: Sequence[TargetProfile],
    data: str | Path | None = None,
    *,
    eval_data: str | Path | None = None,
    declared: Declared = Declared(),
    recipe: Recipe | None = None,
    samples: int | None = None,
    folder: Path | None = None,
    out: Path,
    name: str | None = None,
    progress: Progress = lambda _: None,
) -> list[Built]:
    """Convert once, then check, evaluate and bundle for each target: `out/<name>-<target>/`.

    `data` holds representative samples (`samples` of them are used, by default up to 500), `eval_data` labelled ones:
    whatever `edgeq.dataset` opens. `recipe` is int8 throughout where none is given. A `.tflite` that is quantized
    already is taken as it is, and needs no `data`. `folder` is where data that is `module:function` is imported from.
    """
    given = given_mode(model)
    mode = _mode(model, given, recipe)
    _check_targets(targets, mode)
    opened = partial(open_dataset, inputs=input_names(model), folder=folder, progress=progress)
    found = _open(data, eval_data, declared, samples, opened, progress)
    if given:
        converted = Converted(b"", given[0])
    else:
        converted = convert(model, found.samples, recipe=recipe or Recipe(), progress=progress)
    info = read_model(converted.model)
    interface = _interface(info, declared, found, converted.model)
    reference = None
    if converted.float_model:
        float_info = read_model(converted.float_model)
        reference = Variant(converted.float_model, describe(float_info, interface.labels))
    parts = _Parts(title_of(name or (model if model.name else model.resolve()).stem), mode, converted, info, interface)
    fitting = [_fit(parts, declared.preprocess, target) for target in targets]
    evaluations = _evaluate(reference, parts, found, targets, progress)
    golden = _golden(parts, found, targets, [planned for planned, _ in fitting if planned], progress)
    built = []
    for target, (planned, findings) in zip(targets, fitting, strict=True):
        family = target.runtime.kernels
        progress(f"writing the bundle for {target.name}")
        ingredients = Ingredients(
            parts.name,
            mode,
            converted,
            info,
            interface,
            golden[family] if planned or family != MICRO else golden[family].without_raws(),
            evaluations[family].document,
            _calibration(found, given is not None),
        )
        bundle = assemble(ingredients, target, planned, out)
        notes = (*found.notes, *evaluations[family].notes)
        warnings = [*fit.same_runtime(host_runtime(family), target), *fit.data_notes(notes)]
        built.append(Built(bundle, info, evaluations[family].document, (*findings, *warnings)))
    return built


@dataclass(frozen=True)
class _Parts:
    """What is the same for every target."""

    name: str
    mode: str
    converted: Converted
    info: ModelInfo
    interface: Interface


def _mode(model: Path, given: tuple[bytes, Detected | None] | None, recipe: Recipe | None) -> str:
    """The mode that the bundle will have; `UsageError` where a quantized model is in another one than was asked for."""
    if given is None:
        return (recipe or Recipe()).mode
    mode = given[1].mode if given[1] else fit.MIXED
    if recipe and recipe.mode != mode:
        raise UsageError(
            f"'{model.name}' is quantized already, as {mode}; {recipe.mode} was asked for.",
            f"Build from the float model, or leave --mode {recipe.mode} out.",
        )
    if recipe and given[1]:
        _same("inputs and outputs", given[1].io, recipe.io, ("auto", given[1].io), f"--io {recipe.io}", model)
        wanted = recipe.granularity if recipe.granularity == "tensor" else given[1].granularity
        _same("scales of weights", given[1].granularity, wanted, (given[1].granularity,), "--per-tensor", model)
    return mode


def _same(what: str, has: str, asked: str, fine: Sequence[str], option: str, model: Path) -> None:
    """`UsageError` where a model that is quantized already has something else than was asked for."""
    if asked not in fine:
        raise UsageError(
            f"'{model.name}' is quantized already, with {what} of '{has}'; '{asked}' was asked for.",
            f"Build from the float model, or leave {option} out.",
        )


def _check_targets(targets: Sequence[TargetProfile], mode: str) -> None:
    """Ask what can be asked before anything long starts."""
    if not targets:
        raise UsageError("There is no target to build for.", "Give --target; 'edgeq targets' lists them.")
    for target in targets:
        fit.require(fit.precheck(target, mode), target)
        runtime_wheels(target)
        host_runtime(target.runtime.kernels)


def _open(
    data: str | Path | None,
    eval_data: str | Path | None,
    declared: Declared,
    count: int | None,
    opened: Callable[..., Dataset],
    progress: Progress,
) -> _Data:
    """Open and look into what was given; the labelled set is numbered as the labels are."""
    classes = read_labels(declared.labels)
    found = _Data(declared.preprocess)
    if data:
        calibration = opened(data)
        places = calibration.choose(count).tolist()
        found = replace(found, calibration=calibration, places=places, notes=calibration.notes)
        classes = classes or calibration.classes
    if eval_data:
        evaluation = opened(eval_data, classes=classes)
        found = replace(found, evaluation=labelled(evaluation, declared.preprocess, progress))
        classes = classes or evaluation.classes
    return replace(found, classes=classes)


def _interface(info: ModelInfo, declared: Declared, data: _Data, model: bytes) -> Interface:
    """Declared labels must fit; those that only the data or the model's metadata has are taken where they do."""
    plain = describe(info)
    outputs = 1
    for extent in plain.outputs[-1].shape[1:]:
        outputs *= extent
    labels = read_labels(declared.labels)
    if not labels:
        labels = next((names for names in (data.classes, labels_of(model)) if len(names) == outputs), ())
    preprocess = declared.preprocess.to_json() if declared.preprocess else None
    return replace(
        describe(info, labels), preprocess=preprocess, threshold=declared.threshold, smoothing=declared.smoothing
    )


def _fit(parts: _Parts, preprocess: Preprocess | None, target: TargetProfile) -> tuple[Compiled | None, list[Finding]]:
    """The plan where our runtime executes it, and what is to be said about the model there."""
    findings = fit.check(parts.info, target, parts.mode)
    fit.require(findings, target)
    if target.runtime.kernels != MICRO or target.kind == "android":
        return None, findings
    try:
        planned = compile_model(parts.converted.model).preprocessed(preprocess)
    except ConvertError as error:
        fit.require([*findings, Finding("plan", "error", error.message, error.hint)], target)
        raise
    if target.kind == "linux":
        return planned, findings
    findings += fit.check_plan(footprint(planned, target.port), target)
    fit.require(findings, target)
    return planned, findings


def _families(targets: Sequence[TargetProfile]) -> list[str]:
    return list(dict.fromkeys(target.runtime.kernels for target in targets))


def _evaluate(
    reference: Variant | None, parts: _Parts, data: _Data, targets: Sequence[TargetProfile], progress: Progress
) -> dict[str, Evaluation]:
    """The evaluation for each kernel family among the targets."""
    if data.evaluation is None:
        return dict.fromkeys(_families(targets), Evaluation())
    progress(f"evaluating on {len(data.evaluation)} samples")
    variant = Variant(parts.converted.model, parts.interface)
    return {family: evaluate(reference, variant, data.evaluation, family) for family in _families(targets)}


def _golden(
    parts: _Parts, data: _Data, targets: Sequence[TargetProfile], planned: Sequence[Compiled], progress: Progress
) -> dict[str, Golden]:
    """The golden vectors for each kernel family among the targets."""
    progress("computing golden vectors")
    interface, samples = parts.interface, data.samples
    inputs = from_seed(interface) if samples is None else from_samples(interface, samples)
    raws = {family: list(_raws(parts, data)) for family in _families(targets) if family != MICRO}
    raws[MICRO] = list(_micro_raws(planned, data))
    return {family: make_golden(parts.converted.model, inputs, family, raws[family]) for family in _families(targets)}


def _micro_raws(planned: Sequence[Compiled], data: _Data) -> Iterator[tuple[Raw, list[bytes]]]:
    """One raw input, since it grows every image, with what a microcontroller makes of it."""
    program = next((each.frontend for each in planned if each.frontend), None)
    if program is None or data.calibration is None:
        return
    calibration = data.calibration
    places = spread(len(data.places), MICRO_TRIES)
    taken = (raw_input(calibration.read(data.places[place])[0], data.preprocess) for place in places)
    found = golden_raw(program, (raw for raw in taken if raw is not None))
    if found:
        yield found[0], [found[1]]


def _raws(parts: _Parts, data: _Data) -> Any:
    """Raw inputs with what is made of them, where the data has such; the model has one input then."""
    if data.calibration is None or data.preprocess is None or len(parts.interface.inputs) > 1:
        return
    tensor = parts.interface.inputs[0]
    for place in spread(len(data.places), RAW_GOLDEN):
        (raw,) = data.calibration.read(data.places[place])
        taken = raw_input(raw, data.preprocess)
        if taken is not None:
            values = model_input(taken, data.preprocess).reshape(tensor.shape)
            yield taken, [tensor.quantize(values).tobytes()]


def _calibration(data: _Data, passed_through: bool) -> dict[str, Any] | None:
    if data.calibration is None or passed_through:
        return None
    return {
        "samples": len(data.places),
        "data_sha256": data.calibration.digest(np.asarray(data.places)),
    }
