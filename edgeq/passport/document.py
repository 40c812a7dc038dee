"""The passport itself: what a build knew of a model, as JSON without a time, a path or a user (docs/passport.md)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset import Dataset
from edgeq.errors import ArtifactError
from edgeq.finding import Finding
from edgeq.interface import Interface
from edgeq.model.tflite import ModelInfo
from edgeq.passport.inputs import Observed
from edgeq.passport.origin import Specs
from edgeq.passport.shape import NUMBER, Every, Maybe, misfit
from edgeq.passport.tensors import tensors
from edgeq.quantize.recipe import Recipe
from edgeq.waiver import Waived

MEMBER = "passport.json"
KIND = "edgeq-passport"
SCHEMA = 1
MOST_BYTES = 64 << 20
SEED = 0
"""By which samples are chosen."""
_HINT = "Build the bundle again, or copy it again."
_SHA256 = re.compile(r"[0-9a-f]{64}")

_HISTOGRAM = {"edges": Every(list, NUMBER), "counts": Every(list, int), "below": int, "above": int}
_INPUT = {"min": NUMBER, "max": NUMBER, "mean": NUMBER, "std": NUMBER}
_FINDING = {
    "code": str,
    "severity": str,
    "message": str,
    "hint": str,
    "actual": Maybe(NUMBER),
    "limit": Maybe(NUMBER),
    "waived": Maybe({"by": str, "reason": str}),
}
SHAPE = {
    "kind": str,
    "schema": int,
    "name": str,
    "target": str,
    "mode": str,
    "recipe": Maybe({"sha256": str, "told": dict}),
    "calibration": Maybe(
        {
            "samples": int,
            "of": int,
            "kind": str,
            "data_sha256": str,
            "places_sha256": str,
            "inputs": Every(dict, _INPUT),
            "classes": Maybe(Every(dict, int)),
        }
    ),
    "evaluation": Maybe(dict),
    "model": {
        "sha256": str,
        "size_bytes": int,
        "macs": int,
        "ops": Every(dict, int),
        "inputs": Every(list, {"name": str, "shape": Every(list, int), "dtype": str}),
        "outputs": Every(list, {"name": str, "shape": Every(list, int), "dtype": str}),
        "tensors": Maybe(Every(list, {"name": str, "shape": Every(list, int), "dtype": str})),
    },
    "lineage": {
        "source": {"spec": str, "kind": str, "sha256": str},
        "float_sha256": Maybe(str),
        "data": Maybe(str),
        "eval": Maybe(str),
        "labels": Maybe(str),
        "recipe": Maybe(str),
        "preprocess_sha256": Maybe(str),
    },
    "findings": Every(list, _FINDING),
    "versions": Every(dict, Maybe(str)),
    "about": Every(dict, str),
    "build": {
        "samples": Maybe(int),
        "seed": int,
        "labels": Maybe({"sha256": str, "names": Maybe(Every(list, str))}),
        "preprocess": Maybe(dict),
        "threshold": Maybe(NUMBER),
        "smoothing": int,
        "target_sha256": str,
        "columns_sha256": Maybe(str),
        "evaluation": Maybe(dict),
        "waivers": Every(list, {"code": str, "by": str, "reason": str}),
    },
}


@dataclass(frozen=True)
class Source:
    """Where the model came from: `specs` name all inputs, `kind` is its front end, `sha256` is that of the file or of
    the folder."""

    specs: Specs
    kind: str
    sha256: str


@dataclass(frozen=True)
class Choices:
    """What was chosen for the build, as far as nothing else in the passport tells it; docs/passport.md says each."""

    samples: int | None
    labels: Mapping[str, Any] | None
    preprocess: Mapping[str, Any] | None
    threshold: float | None
    smoothing: int
    target_sha256: str
    columns_sha256: str | None = None
    waivers: Sequence[Mapping[str, str]] = ()
    evaluation: Mapping[str, Any] | None = None
    seed: int = SEED


@dataclass(frozen=True)
class Facts:
    """What a passport is made of. `model` is the `.tflite` as it was written, before metadata is put around it; `mode`
    and `evaluation` are the manifest's."""

    name: str
    target: str
    mode: str
    recipe: Recipe | None
    model: bytes
    info: ModelInfo
    interface: Interface
    float_model: bytes
    source: Source
    calibration: Mapping[str, Any] | None
    evaluation: Mapping[str, Any] | None
    findings: Sequence[Finding]
    waived: Sequence[Waived]
    versions: Mapping[str, str | None]
    choices: Choices
    about: Mapping[str, str] = field(default_factory=dict)


def make(facts: Facts) -> dict[str, Any]:
    """The document; the same for the same facts."""
    source, interface = facts.source, facts.interface
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "name": facts.name,
        "target": facts.target,
        "mode": facts.mode,
        "recipe": {"sha256": facts.recipe.sha256, "told": facts.recipe.to_json()} if facts.recipe else None,
        "calibration": facts.calibration,
        "evaluation": facts.evaluation,
        "model": {
            "sha256": hashlib.sha256(facts.model).hexdigest(),
            "size_bytes": len(facts.model),
            "macs": facts.info.macs(),
            "ops": facts.info.op_counts(),
            "inputs": [_end(tensor) for tensor in interface.inputs],
            "outputs": [_end(tensor) for tensor in interface.outputs],
            "tensors": tensors(facts.info),
        },
        "lineage": {
            "source": {"spec": source.specs.model, "kind": source.kind, "sha256": source.sha256},
            "float_sha256": hashlib.sha256(facts.float_model).hexdigest() if facts.float_model else None,
            "data": source.specs.data,
            "eval": source.specs.eval,
            "labels": source.specs.labels,
            "recipe": source.specs.recipe,
            "preprocess_sha256": interface.preprocess_sha256,
        },
        "findings": [
            *(_finding(finding, None) for finding in facts.findings),
            *(_finding(each.finding, {"by": each.waiver.by, "reason": each.waiver.reason}) for each in facts.waived),
        ],
        "versions": dict(facts.versions),
        "about": dict(facts.about),
        "build": asdict(facts.choices),
    }


def _end(tensor: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(tensor).items() if key in ("name", "shape", "dtype")}


def _finding(finding: Finding, waived: Mapping[str, str] | None) -> dict[str, Any]:
    return {**asdict(finding), "waived": waived}


def told_calibration(
    data: Dataset, places: NDArray[np.int64], sha256: str, observed: Sequence[Observed]
) -> dict[str, Any]:
    """The `calibration` of a passport; `sha256` is the digest of the chosen samples."""
    return {
        "samples": len(places),
        "of": len(data),
        "kind": data.kind,
        "data_sha256": sha256,
        "places_sha256": places_sha256(places),
        "inputs": {each.name: each.to_json() for each in observed},
        "classes": _classes(data, places),
    }


def places_sha256(places: NDArray[np.int64]) -> str:
    """The digest of indices: 64 bits each, little-endian."""
    return hashlib.sha256(np.asarray(places, "<i8").tobytes()).hexdigest()


def _classes(data: Dataset, places: NDArray[np.int64]) -> dict[str, int] | None:
    """How many of each class were chosen; None where the data has no classes."""
    labels: Any = data.labels
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu":
        return None
    numbers, counts = np.unique(labels[places], return_counts=True)
    names = data.classes
    return {
        names[number] if number < len(names) else str(number): int(count)
        for number, count in zip(numbers.tolist(), counts, strict=True)
    }


def parse(data: bytes, where: str) -> dict[str, Any]:
    """Read a passport from anybody; `ArtifactError` where it is damaged, newer, or not one. `where` is for people."""
    if len(data) > MOST_BYTES:
        raise ArtifactError(f"The passport of {where} is larger than {MOST_BYTES >> 20} MiB.", _HINT)
    try:
        document = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"The passport of {where} is damaged: {error}.", _HINT) from error
    if not isinstance(document, dict) or document.get("kind") != KIND or not _is_count(document.get("schema")):
        raise ArtifactError(f"What {where} holds in place of a passport is none.", _HINT)
    if document["schema"] > SCHEMA:
        raise ArtifactError(
            f"The passport of {where} has schema {document['schema']}; this edgeq knows {SCHEMA}.", "Upgrade edgeq."
        )
    wrong = misfit(document, SHAPE)
    if wrong is None and not _SHA256.fullmatch(document["model"]["sha256"]):
        wrong = "model.sha256"
    if wrong is not None:
        raise ArtifactError(f"The passport of {where} is damaged: '{wrong}' is not what it should be.", _HINT)
    return document


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
