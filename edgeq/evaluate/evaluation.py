"""The float and the quantized model, side by side on the same samples: figures, intervals, slices, as one document."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.asked import Asked
from edgeq.evaluate.confidence import HOW, calibration_error, how, probabilities
from edgeq.evaluate.fitting import fitting
from edgeq.evaluate.gates import needing_reference
from edgeq.evaluate.labelled import Labelled, together
from edgeq.evaluate.metrics import (
    ANY,
    MASKS,
    METRICS,
    NUMBERS,
    Metric,
    decisions,
    known_pixels,
    overlap,
    pixels,
)
from edgeq.evaluate.predict import Floats, Said, Variant, ask
from edgeq.evaluate.resample import CONFIDENCE, SEED, Paired, method, paired
from edgeq.evaluate.scorer import Scorer, value
from edgeq.evaluate.slices import Told, findings, judge, slices_of
from edgeq.finding import Finding
from edgeq.interface import Interface
from edgeq.quantize.outputs import sqnr_db

REORDERED = 0.2
"""By how much more of the samples must be right in another order of the classes before it is worth a note."""
ERRORS = "AUC of the error of reconstruction"

Array = NDArray[Any]
Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Progress that nobody wants to see."""


@dataclass(frozen=True)
class Evaluation:
    """`document` is the `evaluation` of a bundle's manifest (docs/bundle.md), None without a labelled set; `notes` are
    what people should look at in the data, `findings` what they should in the model. `outputs` (n, m) are what the
    quantized model said of every sample, for whoever would ask it the same again."""

    document: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    outputs: Floats | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Predictions:
    """What both models said of one labelled set, as its metric takes it: `outputs` (n, m), `reference` likewise or None
    without a float model. `title` is that of the metric there."""

    data: Labelled
    metric: Metric
    title: str
    outputs: Array
    reference: Array | None

    def scorer(self, outputs: Array) -> Scorer:
        """The metric of one model."""
        return self.metric.scorer(outputs, self.data.truth)

    def loss(self, seed: int = SEED) -> Paired | None:
        """How much worse the quantized model is."""
        if self.reference is None:
            return None
        sign = self.metric.sign
        return paired([self.scorer(self.reference), self.scorer(self.outputs)], [sign, -sign], seed)


def evaluate(
    reference: Variant | None,
    quantized: Variant,
    data: Labelled,
    kernels: str,
    asked: Asked | None = None,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Both models on every sample. `UsageError` where the labels do not fit the model or the metric.

    Without a `reference`, of a model that came quantized, what compares with it is None.
    """
    return evaluate_families(reference, quantized, data, [kernels], asked, folder, progress)[kernels]


def evaluate_families(
    reference: Variant | None,
    quantized: Variant,
    data: Labelled,
    families: Sequence[str],
    asked: Asked | None = None,
    folder: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Evaluation]:
    """The same for several kernel families; the float model runs once. A metric of the user's is in `folder`."""
    asked = asked or Asked()
    chosen = fitting(quantized, data, asked.metric, folder)
    before = ask(reference, data.samples, progress=progress) if reference else None
    return {
        family: compare(before, ask(quantized, data.samples, family, progress), quantized, data, chosen, asked)
        for family in families
    }


def compare(
    before: Said | None, after: Said, variant: Variant, data: Labelled, chosen: Metric, asked: Asked
) -> Evaluation:
    """What both models said -> figures; nothing runs here. `before` is what the float model said."""
    seen = prepare(before, after, variant, data, chosen, asked.group)
    told = judge(
        slices_of(seen.data, asked.slices, variant.interface.labels),
        seen.metric,
        seen.data.truth,
        seen.outputs,
        seen.reference,
        asked.least,
        SEED,
    )
    document = {
        **_figures(seen),
        **_classes(seen, variant),
        **_likeness(before, after),
        "slices": [rounded(each.to_json()) for each in told],
        "asked": asked.to_json(),
        "evaluated_on": "host",
        "data_sha256": data.sha256,
    }
    notes = [] if before else [f"{name} was not checked: there is no float model." for name in needing_reference(asked)]
    if seen.data.labels is not None:
        notes += _order(seen.data.labels, seen.outputs, variant)
    return Evaluation(document, tuple(notes), tuple(findings(told, _whole(seen, told))), after.outputs)


def prepare(
    before: Said | None, after: Said, variant: Variant, data: Labelled, chosen: Metric, group: str = ""
) -> Predictions:
    """Predictions as the metric takes them: rows of one `group` together, of an autoencoder the errors, of masks what
    was decided for each pixel, which is far smaller."""
    rebuilds = variant.rebuilds and chosen.name == "auc"
    if group:
        grouped, after = together(data, group, after)
        before = before and together(data, group, before)[1]
        data = grouped
    if chosen.labels == MASKS:
        return _decided(before, after, data, chosen)
    shape = (len(data), *variant.interface.outputs[-1].shape[1:]) if chosen.labels == ANY else (len(data), -1)

    def taken(said: Said) -> Array:
        return _column(said.errors) if rebuilds and said.errors is not None else said.outputs.reshape(shape)

    title = ERRORS if rebuilds else chosen.title
    return Predictions(data, chosen, title, taken(after), taken(before) if before else None)


def _decided(before: Said | None, after: Said, data: Labelled, chosen: Metric) -> Predictions:
    masks = known_pixels(after.outputs, data.truth)
    taken = partial(pixels, count=masks.shape[1])
    reference = taken(before.outputs) if before else None
    data, counted = replace(data, targets=masks), replace(chosen, make=overlap)
    return Predictions(data, counted, chosen.title, taken(after.outputs), reference)


def _figures(seen: Predictions) -> dict[str, Any]:
    scorer, loss = seen.scorer(seen.outputs), seen.loss()
    scorers = [scorer] if seen.reference is None else [seen.scorer(seen.reference), scorer]
    interval = loss.at() if loss else None
    return rounded(
        {
            "samples": len(seen.data),
            "metric": seen.metric.name,
            "title": seen.title,
            "unit": seen.metric.unit,
            "better": "higher" if seen.metric.higher else "lower",
            "value": value(scorer),
            "float_value": value(scorers[0]) if seen.reference is not None else None,
            "drop": interval and interval.value,
            "drop_low": interval and interval.low,
            "drop_high": interval and interval.high,
            "confidence": CONFIDENCE,
            "method": method(scorers),
        }
    )


def _classes(seen: Predictions, variant: Variant) -> dict[str, Any]:
    """What there is of a model that tells classes apart: accuracy, agreement, calibration error."""
    missing = dict.fromkeys(("accuracy", "float_accuracy", "agreement", "calibration_error"))
    outputs, reference, labels = seen.outputs, seen.reference, seen.data.labels
    if seen.metric.labels == MASKS:
        return missing if reference is None else {**missing, "agreement": float((outputs == reference).mean())}
    if labels is None or variant.rebuilds or seen.metric.labels == NUMBERS or labels.max() >= max(2, variant.size):
        return missing
    flat = outputs.reshape(len(outputs), -1)
    accuracy = METRICS["accuracy"]
    before = None if reference is None else reference.reshape(len(reference), -1)
    way = how(flat if before is None else before)
    calibration = {
        "value": calibration_error(probabilities(flat, way), labels),
        "float_value": None if before is None else calibration_error(probabilities(before, way), labels),
        "method": HOW,
        "probabilities": way,
    }
    found = {
        "accuracy": value(accuracy.scorer(flat, labels)),
        "float_accuracy": None if before is None else value(accuracy.scorer(before, labels)),
        "agreement": None if before is None else float((decisions(before) == decisions(flat)).mean()),
    }
    return {**rounded(found), "calibration_error": rounded(calibration)}


def _likeness(before: Said | None, after: Said) -> dict[str, Any]:
    """How far the quantized model's answers are from the float one's, before any softmax where that can be seen."""
    if before is None:
        return {"sqnr_db": None, "sqnr_of": None}
    if before.answers is None or after.answers is None or before.answers.shape != after.answers.shape:
        return {"sqnr_db": round(sqnr_db(before.outputs, after.outputs), 2), "sqnr_of": "outputs"}
    hidden = before.answers is not before.outputs
    return {
        "sqnr_db": round(sqnr_db(before.answers, after.answers), 2),
        "sqnr_of": "logits" if hidden else "outputs",
    }


def _whole(seen: Predictions, told: Sequence[Told]) -> dict[str, float]:
    """What the whole set lost, by every metric of a slice."""
    if seen.reference is None:
        return {}
    found = {}
    for each in {each.metric.name: each.metric for each in told}.values():
        before, after = (each.scorer(rows, seen.data.truth) for rows in (seen.reference, seen.outputs))
        found[each.name] = each.sign * (value(before) - value(after))
    return found


def _order(labels: NDArray[np.int64], outputs: Array, variant: Variant) -> Iterator[str]:
    """A note where the model would be right far more often if its classes were numbered in another way: each class has
    another answer that the model mostly gives, and no two have the same."""
    if variant.size < 2 or variant.rebuilds or labels.max() >= variant.size:
        return
    got, interface = decisions(outputs), variant.interface
    classes = np.unique(labels)
    mostly = np.array([np.bincount(got[labels == number]).argmax() for number in classes])
    if len(set(mostly)) < len(classes) or (mostly == classes).all():
        return
    now = float((got == labels).mean())
    then = float((mostly[np.searchsorted(classes, labels)] == got).mean())
    if then < now + REORDERED:
        return
    place = int((mostly != classes).argmax())
    names = _names(interface, int(1 + max(labels.max(), got.max())))
    was, says = names[classes[place]], names[mostly[place]]
    yield (
        f"Are the labels in the order of the model's outputs? Of '{was}' it mostly says '{says}'; "
        f"numbered as it answers, {then:.0%} of the samples would be right instead of {now:.0%}."
    )


def _names(interface: Interface, count: int) -> Sequence[str]:
    return interface.labels or [str(number) for number in range(count)]


def _column(values: NDArray[np.float64]) -> Array:
    return values[:, None]


def rounded(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document with numbers as files hold them."""
    return {key: _number(item) for key, item in document.items()}


def _number(item: Any) -> Any:
    """Nine digits, so that a sum in another order is the same; None for what is not defined."""
    if not isinstance(item, float):
        return item
    return float(f"{item:.9g}") if math.isfinite(item) else None
