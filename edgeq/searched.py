"""A build by search: `edgeq build --max-accuracy-drop`. Trials rank recipes on calibration data; the best one that also
keeps the floor on the evaluation set, which no trial has seen, is built."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from edgeq.bench import bench
from edgeq.build import Built, build
from edgeq.building.assemble import runtime_wheels
from edgeq.building.materials import Declared, open_materials
from edgeq.dataset import open_dataset
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import FitError, GateFailed, UsageError
from edgeq.model.names import input_names
from edgeq.quantize.convert import convert, given_mode
from edgeq.quantize.host import host_runtime
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.spread import spread
from edgeq.search.search import Found, Plan, material, search
from edgeq.search.space import plain
from edgeq.search.trial import Result
from edgeq.stats import summarize
from edgeq.target import TargetProfile
from edgeq.transaction.confirm import ConfirmPolicy

CONFIRMATIONS = 5
"""So many candidates are evaluated at most: the evaluation set must not become one to search on."""
MEASURED = 4
"""So many are measured on a device."""
QUIETER_DB = 1.0
"""What a candidate must have over a preferred one to be worth an evaluation after it: where that one fails, those that
are as noisy will."""
SEARCHES = ".search"
LOST_HINT = "Allow more, give more calibration samples, or finetune the model ('edgeq finetune --help')."

Progress = Callable[[str], None]
Opener = Callable[[str], AbstractContextManager[Device]]


@dataclass(frozen=True)
class Job:
    """What a build is given, beside the recipe that is searched for; as for `build`."""

    model: Path
    data: str | Path
    eval_data: str | Path
    declared: Declared
    samples: int | None
    folder: Path | None
    out: Path
    name: str | None


@dataclass(frozen=True)
class Searched:
    """One target's bundle with the search behind it. `confirmed` are the recipes that were evaluated, with the words
    of the gate where one failed; `latency` is by a recipe's digest, the median that a device gave, and `how` says its
    unit and how it was obtained."""

    built: Built
    recipe: Recipe
    found: Found
    confirmed: Sequence[tuple[Recipe, str]]
    latency: dict[str, float]
    how: str


def build_searched(
    job: Job,
    targets: Sequence[TargetProfile],
    plan: Plan,
    *,
    device: str = "",
    opened_device: Opener | None = None,
    progress: Progress = lambda _: None,
) -> list[Searched]:
    """Search for each target and build what was found. `GateFailed` where no candidate keeps the floor.

    `device` is the address of one that candidates are measured on; it serves again what it served before.
    """
    if given_mode(job.model):
        raise UsageError(
            f"'{job.model.name}' is quantized already: there is nothing to search for.", "Give the float model."
        )
    _check_targets(targets, plan)
    opened = partial(open_dataset, inputs=input_names(job.model), folder=job.folder, progress=progress)
    # The evaluation set too: whether it has labels must not be known after the search.
    materials = open_materials(job.data, job.eval_data, job.declared, job.samples, opened, progress)
    assert materials.samples is not None and materials.calibration is not None
    numbers = materials.calibration.labels
    labels = None if numbers is None else numbers[np.asarray(materials.places)]
    source = convert(job.model, None, recipe=Recipe("float32"), progress=progress).float_model
    kept = replace(plan, folder=job.out / SEARCHES)
    searched = []
    for target in targets:
        found = search(material(source, materials.samples, labels, target, progress), kept, progress)
        _require_candidates(found, target, plan)
        candidates, latency, how = ladder(found.candidates, CONFIRMATIONS), dict[str, float](), ""
        if device and opened_device:
            candidates = ladder(found.candidates, MEASURED)
            with opened_device(device) as board:
                latency, how = _measure(job, source, target, candidates, board, progress)
            candidates = sorted(candidates, key=lambda each: _cost(each, latency, plan.prefer))
        one = _confirm(job, source, target, candidates, plan.floor, progress)
        result = replace(one, found=found, latency=latency, how=how)
        _keep(result, job.out)
        searched.append(result)
    return searched


def ladder(candidates: Sequence[Result], most: int) -> list[Result]:
    """At most so many of the candidates, in their order: the first, and of those behind it the ones that are less noisy
    than all before, the last of them included."""
    rungs: list[Result] = []
    for candidate in candidates:
        if not rungs or candidate.sqnr_db >= rungs[-1].sqnr_db + QUIETER_DB:
            rungs.append(candidate)
    return [rungs[place] for place in spread(len(rungs), most)]


def _check_targets(targets: Sequence[TargetProfile], plan: Plan) -> None:
    """Ask what can be asked before anything long starts."""
    for target in targets:
        runtime_wheels(target)
        host_runtime(target.runtime.kernels)
        if not any(plain(target, plan.io)):
            raise UsageError(
                f"No mode of {target.runtime.name} on {target.name} has {plan.io} inputs and outputs.",
                f"Leave --io out, or use --io float32; it runs {', '.join(target.runtime.modes)}.",
            )


def _require_candidates(found: Found, target: TargetProfile, plan: Plan) -> None:
    """`FitError` where nothing fits the target, `GateFailed` where nothing that was tried keeps the floor."""
    if found.candidates:
        return
    fitting = [each for each in found.results if not each.error]
    if found.results and not fitting and found.complete:
        raise FitError(
            f"No recipe for {target.name} gives a model that fits: {found.results[0].error}",
            "'edgeq check MODEL --target TARGET' says what it needs.",
        )
    best = min(fitting, key=lambda each: each.loss, default=None)
    closest = f" The closest, {told(best.recipe)}, loses {best.loss:.1f} there." if best else ""
    if not found.complete:
        raise GateFailed(
            f"The time was over before a recipe for {target.name} was found that loses {plan.floor:g} points of "
            f"accuracy or less on held-back calibration samples; {len(found.results)} were tried.{closest}",
            "Run it again: it goes on where it was. --search-minutes gives it more time.",
        )
    raise GateFailed(
        f"No recipe for {target.name} loses {plan.floor:g} points of accuracy or less on held-back calibration "
        f"samples.{closest}",
        LOST_HINT,
    )


def _confirm(
    job: Job, source: bytes, target: TargetProfile, candidates: Sequence[Result], floor: float, progress: Progress
) -> Searched:
    """Build the first candidate that keeps the floor on the evaluation set."""
    confirmed: list[tuple[Recipe, str]] = []
    for candidate in candidates:
        progress(f"confirming {told(candidate.recipe)} on the evaluation set")
        try:
            (built,) = _build(job, source, target, candidate.recipe, job.out, floor, progress)
        except GateFailed as error:
            confirmed.append((candidate.recipe, error.message))
            continue
        confirmed.append((candidate.recipe, ""))
        return Searched(built, candidate.recipe, Found((), (), (), True, 0), tuple(confirmed), {}, "")
    raise GateFailed(
        f"No recipe for {target.name} loses {floor:g} points of accuracy or less. {len(confirmed)} were tried on the "
        f"evaluation set; the last, {told(confirmed[-1][0])}: {confirmed[-1][1]}",
        LOST_HINT,
    )


def _measure(
    job: Job, source: bytes, target: TargetProfile, candidates: Sequence[Result], device: Device, progress: Progress
) -> tuple[dict[str, float], str]:
    """The median latency of each on the device, by the recipe's digest, with its unit and how it was obtained."""
    # A trial is for what stays: a candidate that waited for its window would only hold up the next one.
    at_once = replace(job, declared=replace(job.declared, confirm=ConfirmPolicy()))
    before = next((release.n for release in device.releases() if release.serving), None)
    found, how = dict[str, float](), ""
    for candidate in candidates:
        progress(f"measuring {told(candidate.recipe)}")
        try:
            with TemporaryDirectory(prefix="edgeq-") as folder:
                (built,) = _build(at_once, source, target, candidate.recipe, Path(folder), None, progress)
                deploy(built.bundle, device, progress, allow_interface_change=True)
            run = bench(device, probes=(), progress=progress)
        finally:
            # After each, not at the end: a microcontroller has two slots, and the next one takes what does not serve.
            if before is not None:
                device.activate(before)
        series = next(each for each in run.series if each.name in ("invoke", "instructions"))
        found[candidate.recipe.sha256] = summarize(series.values).p50
        how = f"{series.unit}, {series.how} on {device.address}"
    return found, how


def _build(
    job: Job,
    source: bytes,
    target: TargetProfile,
    recipe: Recipe,
    out: Path,
    floor: float | None,
    progress: Progress,
) -> list[Built]:
    return build(
        job.model,
        [target],
        data=job.data,
        eval_data=job.eval_data if floor is not None else None,
        declared=job.declared,
        recipe=recipe,
        samples=job.samples,
        folder=job.folder,
        out=out,
        name=job.name,
        max_drop=floor,
        float_model=source,
        progress=progress,
    )


def _cost(result: Result, latency: dict[str, float], prefer: str) -> float:
    median = latency[result.recipe.sha256]
    return {"size": float(result.size_bytes), "speed": median}.get(prefer, median * result.size_bytes)


def told(recipe: Recipe) -> str:
    """A recipe in a few words."""
    parts = [recipe.mode]
    parts += [f"ranges {recipe.ranges.method}"] if recipe.ranges.method != "min-max" else []
    parts += recipe.repairs
    if recipe.overrides:
        layers = len(recipe.overrides)
        parts += [f"{layers} layer{'s' * (layers > 1)} {recipe.overrides[0].mode}"]
    return ", ".join(parts)


def document(found: Searched) -> dict[str, Any]:
    """All of it, for `search.json` and `--json`."""
    return {
        "recipe": found.recipe.to_json(),
        "complete": found.found.complete,
        "trials": [each.to_json() for each in found.found.results],
        "front": [each.recipe.sha256 for each in found.found.front],
        "candidates": [each.recipe.sha256 for each in found.found.candidates],
        "confirmed": [{"recipe": recipe.sha256, "failed": words} for recipe, words in found.confirmed],
        "latency": {"how": found.how, "median": found.latency} if found.latency else None,
    }


def _keep(found: Searched, out: Path) -> None:
    """Beside the bundle, and not in it: a search may be repeated without changing what ships."""
    path = out / f"{found.built.bundle.folder.name}.search.json"
    path.write_text(json.dumps(document(found), indent=1) + "\n", encoding="utf-8")
