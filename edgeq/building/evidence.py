"""What a build knows beside the model: where its inputs came from, what they looked like, what was chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.building.assemble import Ingredients
from edgeq.building.materials import Declared, Materials
from edgeq.evaluate.evaluation import Evaluation
from edgeq.evaluate.predict import Variant, predict
from edgeq.finding import Finding
from edgeq.interface import Interface
from edgeq.model.describe import read_labels
from edgeq.model.front_end import TFLITE, front_end
from edgeq.model.metadata import bare
from edgeq.model.tflite import ModelInfo
from edgeq.passport.baseline import CALIBRATION, EVALUATION, InputsSeen, SetSeen, baseline, see_inputs
from edgeq.passport.document import Choices, Facts, Source, make, told_calibration
from edgeq.passport.origin import Specs, columns_sha256, labels_sha256, model_sha256, specs_of, target_sha256, untold
from edgeq.passport.versions import versions
from edgeq.quantize.convert import Converted
from edgeq.quantize.recipe import Recipe
from edgeq.target import TargetProfile
from edgeq.waiver import Waived


@dataclass(frozen=True)
class Given:
    """The inputs of a build as they were given; `root` is the project's folder. `specs` is how the passport names them
    where that is settled already, as it is when a build is repeated."""

    root: Path
    model: Path
    data: str | Path | None
    eval: str | Path | None
    declared: Declared
    samples: int | None
    recipe: Recipe | None
    specs: Specs | None = None

    @property
    def named(self) -> Specs:
        """How the passport names them."""
        declared = self.declared
        return self.specs or specs_of(
            self.root, self.model, self.data, self.eval, declared.labels, declared.recipe_file
        )


@dataclass(frozen=True)
class Evidence:
    """What is the same for every target; `calibration` is the passport's, `seen` what `baseline` is made of."""

    given: Given
    source: Source
    calibration: Mapping[str, Any] | None
    seen: InputsSeen
    versions: Mapping[str, str | None]
    columns_sha256: str | None


def gather(given: Given, interface: Interface, materials: Materials, progress: Callable[[str], None]) -> Evidence:
    """Read every sample that was used once more, and the model's file."""
    sets = _sets(materials)
    if sets:
        progress(f"looking at {' and '.join(f'{len(each.samples)} {name}' for name, each in sets.items())} samples")
    seen = see_inputs(interface, sets)
    calibration = None
    if materials.calibration:
        places = np.asarray(materials.places, np.int64)
        sha256, observed = sets[CALIBRATION].data_sha256, seen.observed[CALIBRATION]
        calibration = told_calibration(materials.calibration, places, sha256, observed)
    kind = front_end(given.model)
    source = Source(given.named, kind, model_sha256(given.model))
    tools = versions(converted=kind != TFLITE, quantized=given.recipe is not None)
    columns = materials.evaluation.columns if materials.evaluation else {}
    return Evidence(given, source, calibration, seen, tools, columns_sha256(columns))


def _sets(materials: Materials) -> dict[str, SetSeen]:
    sets = {}
    if materials.calibration and materials.samples:
        labels = materials.calibration.labels
        chosen = None if labels is None else labels[np.asarray(materials.places, np.int64)]
        sets[CALIBRATION] = SetSeen(materials.samples, chosen, materials.data_sha256)
    if materials.evaluation:
        found = materials.evaluation
        sets[EVALUATION] = SetSeen(found.samples, found.labels, found.sha256)
    return sets


def baselines(
    evidence: Evidence,
    converted: Converted,
    interface: Interface,
    info: ModelInfo,
    evaluations: Mapping[str, Evaluation],
) -> dict[str, dict[str, Any] | None]:
    """For each kernel family what its model says of the samples (docs/passport.md); of the labelled set the family's
    evaluation knows it."""
    variant, sets = Variant(converted.model, interface), evidence.seen.sets
    sha256 = hashlib.sha256(bare(converted.model)).hexdigest()
    found = {}
    for family, evaluation in evaluations.items():
        known = {} if evaluation.outputs is None else {EVALUATION: evaluation.outputs}
        outputs = {
            name: known[name] if name in known else predict(variant, each.samples, family)
            for name, each in sets.items()
        }
        found[family] = baseline(interface, info, evidence.seen, outputs, model_sha256=sha256, kernels=family)
    return found


def passport(
    evidence: Evidence,
    made: Ingredients,
    target: TargetProfile,
    findings: Sequence[Finding],
    waived: Sequence[Waived],
) -> dict[str, Any]:
    """The passport for one target; `findings` are those that nobody waived."""
    given, specs = evidence.given, evidence.source.specs
    pairs = [(given.model, specs.model), (given.data, specs.data), (given.eval, specs.eval)]
    named = untold([each.finding for each in waived], pairs)
    return make(
        Facts(
            name=made.name,
            target=target.name,
            mode=made.mode,
            recipe=given.recipe,
            model=bare(made.converted.model),
            info=made.info,
            interface=made.interface,
            float_model=made.converted.float_model,
            source=evidence.source,
            calibration=evidence.calibration,
            evaluation=made.evaluation,
            findings=untold(findings, pairs),
            waived=[Waived(finding, each.waiver) for finding, each in zip(named, waived, strict=True)],
            versions=evidence.versions,
            choices=_choices(evidence, target),
            about=given.declared.about,
        )
    )


def _choices(evidence: Evidence, target: TargetProfile) -> Choices:
    given, declared = evidence.given, evidence.given.declared
    return Choices(
        samples=given.samples,
        labels=_labels(declared.labels),
        preprocess=declared.preprocess.to_json() if declared.preprocess else None,
        threshold=declared.threshold,
        smoothing=declared.smoothing,
        target_sha256=target_sha256(target),
        columns_sha256=evidence.columns_sha256,
        evaluation=declared.evaluation.to_json() if given.eval else None,
        waivers=[waiver.to_json() for waiver in declared.waivers],
    )


def _labels(labels: Sequence[str] | Path | None) -> dict[str, Any] | None:
    """The digest of declared labels; their names where they were not read from a file."""
    names = read_labels(labels)
    if not names:
        return None
    return {"sha256": labels_sha256(names), "names": None if isinstance(labels, Path) else list(names)}
