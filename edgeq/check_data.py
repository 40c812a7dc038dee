"""The verb `check-data`: is this a good representative dataset for a model, and why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.calibration import checks
from edgeq.calibration.evidence import Evidence, ModelFacts, Point, SetFacts, TensorUse
from edgeq.calibration.scan import scan
from edgeq.calibration.watch import unpacked, watch
from edgeq.dataset import Dataset, open_dataset
from edgeq.errors import UsageError
from edgeq.finding import Finding, ordered
from edgeq.model.describe import read_labels
from edgeq.model.front_end import TFLITE, front_end
from edgeq.model.names import input_names
from edgeq.model.norms import Norm
from edgeq.model.tflite import read_model
from edgeq.preprocess import Preprocess
from edgeq.quantize.convert import convert, given_mode
from edgeq.quantize.float_model import check_float
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import Samples, each
from edgeq.quantize.task import in_worker
from edgeq.waiver import Waived, Waiver, waive

EVALUATED = 1000
"""So many samples of the evaluation set are looked at."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class DataReport:
    """`used` of `total` samples were looked at; `curve` and `tensors` are empty without a float model, `classes` (how
    many samples of each, by name) without labels. `notes` say what could not be checked, and why; `findings`, errors
    first, hold none that is `waived`."""

    data: str
    used: int
    total: int
    findings: tuple[Finding, ...]
    curve: tuple[Point, ...] = ()
    tensors: tuple[TensorUse, ...] = ()
    classes: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()
    waived: tuple[Waived, ...] = ()

    def worst(self) -> str:
        """The severity of the first finding; "" where there is none."""
        return self.findings[0].severity if self.findings else ""


def check_data(
    data: str | Path,
    *,
    model: Path | None = None,
    eval_data: str | Path | None = None,
    labels: Sequence[str] | Path | None = None,
    preprocess: Preprocess | None = None,
    waivers: Sequence[Waiver] = (),
    samples: int | None = None,
    folder: Path | None = None,
    progress: Progress = lambda _: None,
) -> DataReport:
    """Look at the samples that a build would calibrate on, alone or with the float `model` and an evaluation set.

    `UsageError` where there is nothing to look at; what is wrong with single samples is a finding."""
    named = read_labels(labels)
    names = input_names(model) if model else ()
    opened = _open(data, named, names, folder, progress)
    if isinstance(opened, Finding):
        return DataReport(str(data), 0, 0, (opened,))
    facts, given = scan(opened, preprocess, opened.choose(samples).tolist(), progress)
    evidence, others = Evidence(facts), None
    if eval_data and str(eval_data) != str(data):
        other = _open(eval_data, named or opened.classes, names, folder, progress)
        if isinstance(other, Finding):
            return DataReport(str(data), len(facts), len(opened), (other,))
        evaluation, others = scan(other, preprocess, other.choose(EVALUATED).tolist(), progress)
        evidence = replace(evidence, evaluation=evaluation)
    float_model, norm, note = _float_model(model, progress) if model and len(facts) else (b"", None, "")
    wrong: list[Finding] = []
    if float_model:
        shape = _shape(float_model, given)
        if shape:
            wrong.append(shape)
        else:
            evidence = replace(evidence, norm=norm, model=_watch(float_model, norm, given, others, facts, progress))
    evidence = replace(evidence, class_count=_classes(evidence, named, opened))
    return _report(evidence, wrong, opened, note, waivers)


def _classes(evidence: Evidence, named: Sequence[str], opened: Dataset) -> int:
    """How many there are, by the names, the model, or what the data and the evaluation set have."""
    count = len(named) or (evidence.model.classes if evidence.model else 0)
    if count or not evidence.calibration.counts:
        return count
    other = evidence.evaluation.counts if evidence.evaluation else None
    return max(len(opened.classes), max(other, default=-1) + 1 if other else 0)


def _open(
    spec: str | Path, classes: Sequence[str], inputs: Sequence[str], folder: Path | None, progress: Progress
) -> Dataset | Finding:
    """What cannot be opened although it is there has something wrong with its samples."""
    try:
        return open_dataset(spec, classes=classes, inputs=inputs, folder=folder, progress=progress)
    except UsageError as error:
        if not Path(spec).exists():
            raise
        return Finding("unreadable", "error", error.message, error.hint)


def _float_model(model: Path, progress: Progress) -> tuple[bytes, Norm | None, str]:
    """The float `.tflite` and the first batch norm where it is known, or nothing and why."""
    if given_mode(model):
        why = "without the float model only the samples were looked at"
        return b"", None, f"'{model.name}' is quantized already: {why}."
    if front_end(model) == TFLITE:
        data = model.read_bytes()
        check_float(data)
        return data, None, ""
    made = convert(model, None, recipe=Recipe("float32"), progress=progress)
    return made.float_model, made.norm, ""


def _shape(model: bytes, samples: Samples) -> Finding | None:
    """Whether the model takes such samples at all."""
    try:
        next(each(samples, read_model(model).inputs))
    except UsageError as error:
        return Finding("shape", "error", error.message, error.hint)
    return None


def _watch(
    model: bytes,
    norm: Norm | None,
    samples: Samples,
    others: Samples | None,
    facts: SetFacts,
    progress: Progress,
) -> ModelFacts:
    """The float model on both sets, in a process of its own."""
    count, more = len(samples), len(others) if others else 0

    def read(index: int) -> Sequence[Any]:
        return samples.read(index) if index < count or others is None else others.read(index - count)

    def title(index: int) -> str:
        return samples.title(index) if index < count or others is None else others.title(index - count)

    labels = None if facts.labels is None else np.asarray(facts.labels).tolist()
    both = Samples(samples.names, count + more, read, title)
    options = {"calibration": count, "labels": labels, "norm": norm.to_json() if norm else None}
    return unpacked(in_worker(watch, "The look at the data", model, both, options, progress))


def _report(
    evidence: Evidence, wrong: list[Finding], data: Dataset, note: str, waivers: Sequence[Waiver]
) -> DataReport:
    facts, model = evidence.calibration, evidence.model
    counts = facts.counts
    mine = [each for each in waivers if each.code in checks.CODES]
    left, waived = waive([*wrong, *checks.run(evidence)], mine)
    return DataReport(
        facts.spec,
        len(facts),
        facts.total,
        tuple(ordered(left)),
        model.curve if model else (),
        model.tensors if model else (),
        {facts.class_name(number): count for number, count in counts.items()} if counts else None,
        (*data.notes, *([note] if note else [])),
        tuple(waived),
    )
