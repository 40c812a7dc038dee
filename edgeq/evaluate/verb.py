"""The verb `evaluate`: a model or a bundle on a labelled set, beside its float model, on worse and on other inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgeq.asked import Asked
from edgeq.dataset import Dataset, open_dataset
from edgeq.errors import UsageError
from edgeq.evaluate.corrupt.suite import suite
from edgeq.evaluate.evaluation import Evaluation, Predictions, compare, prepare, rounded
from edgeq.evaluate.fitting import fitting
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.metrics import MASKS, NUMBERS, Metric
from edgeq.evaluate.novelty import novelty
from edgeq.evaluate.predict import Pair, Said, Variant
from edgeq.evaluate.resample import SEED
from edgeq.evaluate.robustness import findings, places_of, worsen
from edgeq.evaluate.subject import XNNPACK, open_subject
from edgeq.finding import ordered
from edgeq.preprocess import Preprocess
from edgeq.quantize.prepare import labelled, prepared
from edgeq.quantize.samples import plain

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Sets:
    """The data: the labelled set as it is read and as it is evaluated, and one of another distribution or None."""

    raw: Dataset
    labelled: Labelled
    other: Dataset | None


def evaluate(
    model: Path,
    eval_data: str | Path,
    against: Path | None = None,
    *,
    asked: Asked | None = None,
    labels: Sequence[str] | Path | None = None,
    preprocess: Preprocess | None = None,
    kernels: str = "",
    folder: Path | None = None,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """All that was `asked` for, in one document. A bundle brings its labels and preprocessing, and names its kernels.

    `folder` is where `module:function`, as data or as a metric, is imported from. No gate is looked at here.
    """
    asked = asked or Asked()
    subject = open_subject(model, labels, kernels, progress)
    reference = open_subject(against, subject.variant.interface.labels, XNNPACK, progress).variant if against else None
    if reference:
        _check_alike(subject.variant, reference)
    steps = subject.preprocess if subject.shipped else preprocess
    pair = Pair(reference, subject.variant, subject.kernels, steps, progress)
    sets = _open(eval_data, subject.variant, steps, asked, folder, progress)
    chosen = fitting(subject.variant, sets.labelled, asked.metric, folder)
    if sets.other is not None and chosen.labels in (MASKS, NUMBERS) and not subject.variant.rebuilds:
        raise UsageError(
            f"By {chosen.title} the model tells no classes apart, so nothing tells how sure it is of a sample.",
            "Leave --out-of-distribution out.",
        )
    progress(f"evaluating on {len(sets.labelled)} samples")
    said = pair.ask(sets.labelled.samples)
    found = compare(*said, subject.variant, sets.labelled, chosen, asked)
    if asked.corruptions:
        found = _on_worse(found, pair, sets, said, chosen, asked)
    if sets.other is not None:
        found = _on_others(found, pair, sets.other, said)
    return replace(found, notes=(*sets.raw.notes, *found.notes), findings=tuple(ordered(found.findings)))


def _on_worse(
    found: Evaluation, pair: Pair, sets: Sets, said: tuple[Said | None, Said], chosen: Metric, asked: Asked
) -> Evaluation:
    places = places_of(sets.raw, bool(asked.group))
    data = sets.labelled.choose(places)

    def predictions(before: Said | None, after: Said) -> Predictions:
        return prepare(before, after, pair.quantized, data, chosen, asked.group)

    before, after = said
    clean = before.choose(places) if before else None, after.choose(places)
    every = suite(sets.raw, pair.preprocess, asked.corruptions)
    rows, method = worsen(pair, sets.raw, places, predictions, clean, every)
    table = [rounded(row.to_json()) for row in rows]
    document = {"samples": len(places), "seed": SEED, "method": method, "rows": table}
    return _with(found, "corruptions", document, findings(rows, chosen.title, chosen.unit))


def _on_others(found: Evaluation, pair: Pair, other: Dataset, said: tuple[Said | None, Said]) -> Evaluation:
    pair.progress(f"evaluating on {len(other)} samples of another distribution")
    before, after = pair.ask(prepared(other, pair.preprocess, range(len(other))))
    inside, own = said
    reference = (inside, before) if inside and before else None
    document, told = novelty(reference, (own, after), other.digest(progress=pair.progress))
    return _with(found, "out_of_distribution", rounded(document), told)


def _open(
    spec: str | Path, variant: Variant, steps: Preprocess | None, asked: Asked, folder: Path | None, progress: Progress
) -> Sets:
    interface = variant.interface
    inputs = [plain(tensor.name) for tensor in interface.inputs]
    opened = partial(open_dataset, inputs=inputs, folder=folder, progress=progress)
    data = opened(spec, classes=interface.labels, columns=asked.columns)
    other = opened(asked.out_of_distribution) if asked.out_of_distribution else None
    return Sets(data, labelled(data, steps, progress, asked.columns), other)


def _check_alike(variant: Variant, reference: Variant) -> None:
    """`UsageError` where two models cannot be one and the same, before and after quantization."""
    for what in ("inputs", "outputs"):
        one, other = ([each.shape[1:] for each in getattr(which.interface, what)] for which in (variant, reference))
        if one != other:
            raise UsageError(
                f"The {what} of both models differ: {_shapes(one)}, and {_shapes(other)} of the one to compare with.",
                "Give --against the float model that this one was made of.",
            )


def _shapes(shapes: Sequence[Sequence[int]]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes)


def _with(found: Evaluation, key: str, table: dict[str, Any], told: Sequence[Any]) -> Evaluation:
    return replace(found, document={**(found.document or {}), key: table}, findings=(*found.findings, *told))
