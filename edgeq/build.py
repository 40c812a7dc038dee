"""`edgeq build`: model and representative data -> a bundle for each target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgeq import fit
from edgeq.asked import Asked
from edgeq.building.assemble import Ingredients, Papers, assemble, runtime_wheels, title_of
from edgeq.building.evidence import Given, baselines, gather, passport
from edgeq.building.materials import UNDECLARED, Declared, Materials, micro_raws, open_materials, raws
from edgeq.bundle import Bundle
from edgeq.dataset import open_dataset
from edgeq.errors import ConvertError, UsageError
from edgeq.evaluate import gates
from edgeq.evaluate.evaluation import Evaluation, evaluate_families
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.predict import Variant
from edgeq.finding import Finding
from edgeq.interface import Interface
from edgeq.micro.compile import Compiled, compile_model
from edgeq.micro.footprint import footprint
from edgeq.micro.policy import policy_bytes
from edgeq.model.describe import describe, read_labels
from edgeq.model.metadata import labels_of
from edgeq.model.names import input_names
from edgeq.model.tflite import ModelInfo, read_model
from edgeq.passport.origin import Specs
from edgeq.preprocess import Preprocess
from edgeq.quantize.convert import Converted, convert, given_mode
from edgeq.quantize.detect import Detected
from edgeq.quantize.golden import Golden, first_sha256, from_samples, from_seed, make_golden
from edgeq.quantize.host import MICRO, host_runtime
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.apply import experiments
from edgeq.quantize.samples import Samples
from edgeq.quantize.tflm import cross_check
from edgeq.target import TargetProfile
from edgeq.transaction.confirm import ConfirmPolicy
from edgeq.waiver import Waived, idle, waive

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """One bundle. `evaluation` as docs/bundle.md has it, None without a labelled set; `findings` hold no errors, and
    none that is `waived`."""

    bundle: Bundle
    model: ModelInfo
    evaluation: Mapping[str, Any] | None
    findings: tuple[Finding, ...]
    waived: tuple[Waived, ...] = ()


def build(
    model: Path,
    targets: Sequence[TargetProfile],
    data: str | Path | None = None,
    *,
    eval_data: str | Path | None = None,
    declared: Declared = UNDECLARED,
    recipe: Recipe | None = None,
    samples: int | None = None,
    folder: Path | None = None,
    out: Path,
    name: str | None = None,
    specs: Specs | None = None,
    max_drop: float | None = None,
    float_model: bytes | None = None,
    progress: Progress = lambda _: None,
) -> list[Built]:
    """Convert once, then check, evaluate and bundle for each target: `out/<name>-<target>/`.

    `data` holds representative samples (`samples` of them are used, by default up to 500), `eval_data` labelled ones:
    whatever `edgeq.dataset` opens. `recipe` is int8 throughout where none is given. A `.tflite` that is quantized
    already is taken as it is, and needs no `data`. `folder` is where data that is `module:function` is imported from,
    and what names in the passport are relative to; `specs` are these names where they are settled already.
    `float_model` is the float `.tflite` that `model` was converted to already, where it was.
    `GateFailed`, and no bundle, where more than `max_drop` (points, or the metric's unit) is lost on `eval_data`.
    """
    given = given_mode(model)
    wanted = recipe or Recipe()
    mode = _mode(model, given, recipe)
    _check_targets(targets, wanted.modes if given is None else (mode,))
    _check_policy(targets, declared.confirm)
    opened = partial(open_dataset, inputs=input_names(model), folder=folder, progress=progress)
    materials = open_materials(data, eval_data, declared, samples, opened, progress)
    _check_steps(targets, declared.preprocess, materials)
    converted = Converted(b"", given[0]) if given else _convert(model, float_model, materials.samples, wanted, progress)
    info = read_model(converted.model)
    interface = _interface(info, declared, materials, converted.model)
    reference = None
    if converted.float_model:
        float_info = read_model(converted.float_model)
        reference = Variant(converted.float_model, describe(float_info, interface.labels))
    parts = _Parts(title_of(name or (model if model.name else model.resolve()).stem), mode, converted, info, interface)
    fitting = [_fit(parts, declared.preprocess, target) for target in targets]
    evaluations = _evaluate(reference, parts, materials.evaluation, targets, declared, folder, progress)
    _gate(evaluations, max_drop)
    origin = Given(folder or Path.cwd(), model, data, eval_data, declared, samples, None if given else wanted, specs)
    evidence = gather(origin, interface, materials, progress)
    baseline = baselines(evidence, converted, interface, info, evaluations)
    golden = _golden(parts, materials, targets, [planned for planned, _ in fitting if planned], progress)
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
            None if given else materials.told(),
            declared.confirm,
            declared.security_version,
        )
        notes = (*materials.notes, *evaluations[family].notes)
        warnings = [*fit.same_runtime(host_runtime(family), target), *fit.data_notes(notes)]
        warnings += [*evaluations[family].findings, *([] if given else experiments(wanted))]
        if target.kind == "mcu":
            warnings += cross_check(converted.model, golden[family].inputs, golden[family].outputs)
        left, waived = waive([*findings, *warnings], declared.waivers)
        papers = Papers(passport(evidence, ingredients, target, left, waived), baseline[family])
        bundle = assemble(ingredients, target, planned, papers, out)
        built.append(Built(bundle, info, evaluations[family].document, tuple(left), tuple(waived)))
    unmet = idle(declared.waivers, [waived for each in built for waived in each.waived])
    return [replace(each, findings=(*each.findings, *unmet)) for each in built]


@dataclass(frozen=True)
class _Parts:
    """What is the same for every target."""

    name: str
    mode: str
    converted: Converted
    info: ModelInfo
    interface: Interface


def _convert(
    model: Path, float_model: bytes | None, samples: Samples | None, recipe: Recipe, progress: Progress
) -> Converted:
    """From the float `.tflite` where there is one: TensorFlow takes seconds to load."""
    if float_model is None:
        return convert(model, samples, recipe=recipe, progress=progress)
    with TemporaryDirectory(prefix="edgeq-") as folder:
        path = Path(folder, "float.tflite")
        path.write_bytes(float_model)
        return convert(path, samples, recipe=recipe, progress=progress)


def _mode(model: Path, given: tuple[bytes, Detected | None] | None, recipe: Recipe | None) -> str:
    """The mode that the bundle will have; `UsageError` where a quantized model is in another one than was asked for."""
    if given is None:
        asked = recipe or Recipe()
        return fit.MIXED if asked.overrides else asked.mode
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


def _check_targets(targets: Sequence[TargetProfile], modes: Sequence[str]) -> None:
    """Ask what can be asked before anything long starts."""
    if not targets:
        raise UsageError("There is no target to build for.", "Give --target; 'edgeq targets' lists them.")
    for target in targets:
        fit.require([finding for mode in modes for finding in fit.precheck(target, mode)], target)
        runtime_wheels(target)
        host_runtime(target.runtime.kernels)


def _check_policy(targets: Sequence[TargetProfile], policy: ConfirmPolicy) -> None:
    """`UsageError` names what no microcontroller among the targets could keep of it."""
    if any(target.kind == "mcu" for target in targets):
        policy_bytes(policy)


def _check_steps(targets: Sequence[TargetProfile], preprocess: Preprocess | None, given: Materials) -> None:
    """Whether every target can do the steps of [preprocess], before anything is converted."""
    if preprocess is None or given.samples is None:
        return
    shape = given.samples.read(0)[0].shape
    for target in targets:
        fit.require(fit.precheck_steps(preprocess, shape, target), target)


def _interface(info: ModelInfo, declared: Declared, given: Materials, model: bytes) -> Interface:
    """Declared labels must fit; those that only the data or the model's metadata has are taken where they do."""
    plain = describe(info)
    outputs = 1
    for extent in plain.outputs[-1].shape[1:]:
        outputs *= extent
    labels = read_labels(declared.labels)
    if not labels:
        labels = next((names for names in (given.classes, labels_of(model)) if len(names) == outputs), ())
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


def _gate(evaluations: Mapping[str, Evaluation], max_drop: float | None) -> None:
    hint = "Let --repair or --max-accuracy-drop find a better recipe, or allow more."
    for evaluation in evaluations.values():
        gates.require(evaluation.document, Asked(max_drop=max_drop), hint)


def _families(targets: Sequence[TargetProfile]) -> list[str]:
    return list(dict.fromkeys(target.runtime.kernels for target in targets))


def _evaluate(
    reference: Variant | None,
    parts: _Parts,
    data: Labelled | None,
    targets: Sequence[TargetProfile],
    declared: Declared,
    folder: Path | None,
    progress: Progress,
) -> dict[str, Evaluation]:
    """The evaluation for each kernel family among the targets; `GateFailed` where one of the project's says no."""
    if data is None:
        return dict.fromkeys(_families(targets), Evaluation())
    progress(f"evaluating on {len(data)} samples")
    variant = Variant(parts.converted.model, parts.interface)
    asked = declared.evaluation
    found = evaluate_families(reference, variant, data, _families(targets), asked, folder, progress)
    for each in found.values():
        gates.require(each.document, asked)
    return found


def _golden(
    parts: _Parts, given: Materials, targets: Sequence[TargetProfile], planned: Sequence[Compiled], progress: Progress
) -> dict[str, Golden]:
    """The golden vectors for each kernel family among the targets."""
    progress("computing golden vectors")
    interface, samples = parts.interface, given.samples
    inputs = from_seed(interface) if samples is None else from_samples(interface, samples)
    first = first_sha256(interface, samples)
    families = _families(targets)
    from_raw = {
        family: list(micro_raws(given, planned) if family == MICRO else raws(given, interface)) for family in families
    }
    return {family: make_golden(parts.converted.model, inputs, family, from_raw[family], first) for family in families}
