"""What a model that serves on a device is worth: a labelled set goes through it, and through the same model here.

`correctness` makes the document `Run.correctness` (docs/accuracy.md).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.asked import Asked
from edgeq.bundle import MODEL, Bundle
from edgeq.correctness.agree import Agreement, compare, differing
from edgeq.correctness.raw import Raws, integer_inputs, raws_of
from edgeq.correctness.stream import Rows
from edgeq.correctness.through import Way, remembers, through
from edgeq.correctness.unfinished import Partials
from edgeq.dataset import Dataset, open_dataset
from edgeq.dataset.spool import room
from edgeq.device.device import Device, Progress, Release, silent
from edgeq.errors import ArtifactError, UsageError
from edgeq.evaluate import evaluation
from edgeq.evaluate.evaluation import Predictions, rounded
from edgeq.evaluate.fitting import fitting
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.metrics import decisions
from edgeq.evaluate.predict import Said, Variant, inputs_of
from edgeq.evaluate.resample import CONFIDENCE, method, paired
from edgeq.evaluate.scorer import Mean, value
from edgeq.interface import Interface
from edgeq.preprocess import Preprocess, PreprocessError, parse
from edgeq.probe.validity import judge
from edgeq.quantize.host import MICRO, host_runtime, invoke_all, stand_in
from edgeq.quantize.prepare import labelled, raw_input
from edgeq.quantize.samples import Samples, each, plain
from edgeq.run import Run
from edgeq.served import find_bundle, serving
from edgeq.stats import wilson

SEED = 0
WILSON = "Wilson's score interval"


def correctness(
    device: Device,
    data: str | Path,
    *,
    bundle: Path | None = None,
    among: Sequence[Path] = (),
    asked: Asked | None = None,
    limit: int = 0,
    folder: Path | None = None,
    beside: Partials | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Stream `data` through what serves on `device`, and compare with its bundle's model on this machine.

    The bundle is `bundle`, or the one of `among` that serves. `limit` takes so many samples, of every class its share;
    0 takes all. A metric or data of the user's is imported from `folder`. The golden vectors come first: they are told
    by the device's own error. Raw inputs go through the device's own preprocessing, where it has one. What the device
    said stays with `beside`, for who asks again. Errors are those of data, link and device; `UsageError` where the
    bundle is not here.
    """
    asked = asked or Asked()
    release = serving(device)
    found = bundle_of(release, bundle, among)
    variant = Variant(found.path(MODEL).read_bytes(), found.interface())
    device.selftest(release.n, lambda note: progress(f"golden vectors: {note}"))
    steps = _steps(variant.interface)
    opened = _opened(variant.interface, data, asked, folder, progress)
    given = labelled(opened, steps, progress, asked.columns)
    chosen = fitting(variant, given, asked.metric, folder)
    places = stratified(len(given), given.labels, limit)
    part = given.choose(places)
    kernels = kernels_of(found)
    raws = raws_of(opened, steps, variant.interface, device)
    ways: list[Way] = [*([raws.choose(places)] if raws else ()), part.samples]
    kept = None if beside is None or remembers(found) else partial(beside.file, [given.sha256, places])
    streamed, way = through(device, release, variant.interface, ways, kept, progress)
    progress(f"accuracy: the same {len(part)} samples on this machine")
    taken = way if isinstance(way, Raws) else None
    host = _on_host(variant, part.samples, taken, kernels)
    own, here = (said(variant, rows, part.samples) for rows in (streamed.rows, host))
    # The host is to the device what the float model is to the quantized one: the same figures, other names.
    document = evaluation.compare(here, own, variant, part, chosen, asked).document or {}
    seen = evaluation.prepare(here, own, variant, part, chosen, asked.group)
    steps_here = None
    if taken and kernels == MICRO:
        floats = said(variant, _on_host(variant, part.samples, None, kernels), part.samples)
        steps_here = _steps_here(evaluation.compare(floats, own, variant, part, chosen, asked).document or {})
    return {
        "data": str(data),
        "data_sha256": given.sha256,
        "of": len(given),
        "preprocessed": "device" if taken else "host" if _is_raw(opened, steps) else None,
        **_figures(document, seen),
        "steps_here": steps_here,
        **_beside(found, kernels, variant, part, streamed.rows, host, places),
        "reopened": streamed.reopened,
        "resumed": streamed.resumed,
    }


def with_correctness(run: Run, document: Mapping[str, Any]) -> Run:
    """A run with such a document, judged with it."""
    known = replace(run, correctness=document)
    verdict, issues = judge(known)
    return replace(known, verdict=verdict, issues=tuple(issues))


def bundle_of(release: Release, folder: Path | None, among: Sequence[Path] = ()) -> Bundle:
    """The bundle of a release: in `folder`, or one of `among`. `UsageError` where it is not there."""
    bundle = find_bundle(release, folder, among)
    if bundle is not None:
        return bundle
    raise UsageError(
        f"The bundle of {release} is not on this machine, so there is nothing to compare the device with.",
        "Give --bundle FOLDER, the bundle that was deployed.",
    )


def kernels_of(bundle: Bundle) -> str:
    """The kernel family that the device runs a bundle with."""
    golden = bundle.manifest.get("golden") or {}
    return str(golden.get("kernels") or bundle.manifest["runtime"]["name"])


def allowed_steps(bundle: Bundle, kernels: str) -> int:
    """How far device and host may be apart, in output steps; 0 means bit for bit, as edgeq-micro promises."""
    golden = bundle.manifest.get("golden") or {}
    return 0 if kernels == MICRO else int(golden.get("tolerance", 0))


def stratified(count: int, labels: NDArray[np.int64] | None, limit: int, seed: int = SEED) -> list[int]:
    """Places of `limit` samples, in their order: every class has its share, and at least one where there is room."""
    if not 0 < limit < count:
        return list(range(count))
    order = np.random.default_rng(seed).permutation(count)
    if labels is not None:
        # Classes take turns: the first of each comes first, then each when its share is due.
        ranks = np.empty(count)
        for number in np.unique(labels):
            members = np.flatnonzero(labels[order] == number)
            ranks[members] = np.arange(len(members)) / len(members)
        order = order[np.argsort(ranks, kind="stable")]
    places: list[int] = np.sort(order[:limit]).tolist()
    return places


def _opened(interface: Interface, spec: str | Path, asked: Asked, folder: Path | None, progress: Progress) -> Dataset:
    inputs = [plain(tensor.name) for tensor in interface.inputs]
    return open_dataset(
        spec, inputs=inputs, folder=folder, progress=progress, classes=interface.labels, columns=asked.columns
    )


def _is_raw(data: Dataset, steps: Preprocess | None) -> bool:
    """Whether the samples are what `steps` begin with."""
    return any(raw_input(raw, steps) is not None for raw in data.read(0))


def _steps(interface: Interface) -> Preprocess | None:
    try:
        return parse(dict(interface.preprocess)) if interface.preprocess else None
    except PreprocessError as error:
        raise ArtifactError(f"The bundle's preprocessing is damaged: {error.message}", error.hint) from error


def _on_host(variant: Variant, samples: Samples, raws: Raws | None, kernels: str) -> Rows:
    """The raw outputs of the same samples here. Behind edgeq-micro's own front end the model gets what that makes of
    them, in integers; elsewhere the device computes the steps as this machine does."""
    size = sum(tensor.size_bytes for tensor in variant.interface.outputs)
    rows = room((len(samples), size), np.uint8, "what the model says of the data")
    integers = raws is not None and kernels == MICRO
    inputs = integer_inputs(raws, variant.model) if raws and integers else inputs_of(variant.interface, samples)
    for place, outputs in enumerate(invoke_all(variant.model, kernels, inputs)):
        rows[place] = np.frombuffer(b"".join(outputs), np.uint8)
    return rows


def said(variant: Variant, rows: Rows, samples: Samples) -> Said:
    """Raw outputs (n, bytes) as an evaluation takes them."""
    tensor = variant.interface.outputs[-1]
    last = np.ascontiguousarray(rows[:, rows.shape[1] - tensor.size_bytes :])
    outputs = tensor.dequantize(last.view(np.dtype(tensor.dtype).newbyteorder("<")))
    if not variant.rebuilds:
        return Said(outputs)
    errors = [
        float(np.square(np.asarray(values[0], np.float32).ravel() - row, dtype=np.float64).mean())
        for values, row in zip(each(samples, variant.interface.inputs), outputs, strict=True)
    ]
    return Said(outputs, None, np.array(errors))


def _figures(document: Mapping[str, Any], seen: Predictions) -> dict[str, Any]:
    """The metric on the device with its interval, the host's, and what the device lost against it, by slices too."""
    low, high, how = _interval(seen)
    kept = ("samples", "metric", "title", "unit", "better", "value")
    return {
        **{key: document[key] for key in kept},
        **rounded({"low": low, "high": high}),
        "confidence": CONFIDENCE,
        "method": how,
        "reference": document["float_value"],
        "loss": document["drop"],
        "loss_low": document["drop_low"],
        "loss_high": document["drop_high"],
        "agreement": document["agreement"],
        "slices": [_slice(row) for row in document["slices"]],
    }


def _steps_here(document: Mapping[str, Any]) -> dict[str, Any]:
    """The model behind the steps as this machine computes them, and what the device's integers lose against that."""
    names = {"float_value": "value", "drop": "loss", "drop_low": "loss_low", "drop_high": "loss_high"}
    return {name: document[key] for key, name in names.items()}


def _slice(row: Mapping[str, Any]) -> dict[str, Any]:
    names = {"float_value": "reference", "drop": "loss", "drop_low": "loss_low", "drop_high": "loss_high"}
    return {names.get(key, key): item for key, item in row.items()}


def _interval(seen: Predictions) -> tuple[float, float, str]:
    """Of a share of samples that are right Wilson's, which also holds where all of them are; else a bootstrap's."""
    scorer = seen.scorer(seen.outputs)
    if isinstance(scorer, Mean) and np.isin(scorer.values, (0, 1)).all():
        return (*wilson(value(scorer), scorer.count, CONFIDENCE), WILSON)
    found = paired([scorer], [1]).at(CONFIDENCE)
    return found.low, found.high, method([scorer])


def _beside(
    bundle: Bundle, kernels: str, variant: Variant, part: Labelled, device: Rows, host: Rows, places: Sequence[int]
) -> dict[str, Any]:
    """How far the device's outputs are from the host's."""
    found: Agreement = compare(variant.interface, device, host)
    allowed = allowed_steps(bundle, kernels)
    classes = part.labels is not None and not variant.rebuilds and fits_classes(variant, part)
    decided = (_decided(variant, device), _decided(variant, host)) if classes else None
    named = differing(found, decided, allowed, part.samples.title)
    for row in named:
        at = row.pop("place")
        row["index"] = int(places[at])
        if classes and part.labels is not None:
            row["label"] = int(part.labels[at])
    machine = platform.machine()
    return {
        "identical": float(found.equal.mean()),
        "allowed_steps": allowed,
        "beyond": int((found.steps > allowed).sum()),
        "parted": None if decided is None else int((decided[0] != decided[1]).sum()),
        "outputs": list(found.outputs),
        "differing": named,
        "host": {
            "runtime": host_runtime(kernels),
            "kernels": kernels if kernels == MICRO else stand_in(kernels, machine),
            "of": kernels,
            "machine": machine,
        },
    }


def fits_classes(variant: Variant, part: Labelled) -> bool:
    """Whether the last output tells the classes of the labels apart."""
    return part.labels is not None and part.targets is None and int(part.labels.max()) < max(2, variant.size)


def _decided(variant: Variant, rows: Rows) -> NDArray[np.int64]:
    tensor = variant.interface.outputs[-1]
    last = np.ascontiguousarray(rows[:, rows.shape[1] - tensor.size_bytes :])
    return decisions(tensor.dequantize(last.view(np.dtype(tensor.dtype).newbyteorder("<"))))
