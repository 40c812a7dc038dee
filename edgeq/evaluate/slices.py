"""Parts of a set: each class, or the samples with one text in a column; and those of them that lost too much.

How chance is kept out: a slice of fewer than `least` samples is told and not judged, and of m slices that are judged
each interval has the confidence 1 - 0.05 / m (Bonferroni), so that one of twenty evaluations of a model which lost
nothing names any slice at all. A slice is named where this interval lies above what the whole set lost, and above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.asked import LABEL
from edgeq.errors import UsageError
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.metrics import CLASSES, FRACTION, METRICS, NUMBERS, Metric
from edgeq.evaluate.resample import CONFIDENCE, Paired, paired
from edgeq.evaluate.scorer import value
from edgeq.finding import Finding

MOST_DISTINCT = 20
"""A column with more different numbers than this is cut into quarters."""
MOST_SLICES = 1000
WORTH = 0.01
"""A slice is named where it lost at least a point more than the whole set, or of an error this share of it."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Slice:
    """`by` is a column or `LABEL`; `places` are those of its samples."""

    by: str
    name: str
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Told:
    """One slice with what both models did on it; the loss is None without a float model or where it is not defined."""

    slice: Slice
    metric: Metric
    float_value: float | None
    value: float
    loss: Paired | None
    judged: bool

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.slice.by} '{self.slice.name}'"

    def to_json(self) -> dict[str, Any]:
        """One row of a document, without rounding."""
        interval = self.loss.at() if self.loss else None
        return {
            "by": self.slice.by,
            "slice": self.slice.name,
            "samples": len(self.slice.places),
            "metric": self.metric.name,
            "float_value": self.float_value,
            "value": self.value,
            "drop": interval and interval.value,
            "drop_low": interval and interval.low,
            "drop_high": interval and interval.high,
            "judged": self.judged,
        }


def slices_of(data: Labelled, wanted: Sequence[str], names: Sequence[str]) -> list[Slice]:
    """Every slice by every column that is wanted; `names` are those of the classes. `UsageError` for too many."""
    found = [each for column in wanted for each in _by(data, column, names)]
    if len(found) > MOST_SLICES:
        raise UsageError(
            f"There are {len(found)} slices by {', '.join(wanted)}: too many to judge any.",
            "Slice by columns that have few different entries.",
        )
    return found


def _by(data: Labelled, column: str, names: Sequence[str]) -> list[Slice]:
    if column == LABEL:
        if data.labels is None:
            return []
        numbers = np.unique(data.labels)
        titles = [names[number] if number < len(names) else str(number) for number in numbers.tolist()]
        return [
            Slice(LABEL, title, np.flatnonzero(data.labels == number))
            for number, title in zip(numbers, titles, strict=True)
        ]
    texts = np.array(_quartered(data.columns[column]))
    return [Slice(column, str(text), np.flatnonzero(texts == text)) for text in _sorted(np.unique(texts).tolist())]


def _quartered(texts: Sequence[str]) -> Sequence[str]:
    """Many different numbers become quarters of the set; what are few, or no numbers, stays as it is."""
    if len(set(texts)) <= MOST_DISTINCT:
        return texts
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return texts
    if not np.isfinite(numbers).all():
        return texts
    edges = np.quantile(numbers, (0.25, 0.5, 0.75))
    ends = [float(numbers.min()), *edges.tolist(), float(numbers.max())]
    return [f"{ends[place]:g} .. {ends[place + 1]:g}" for place in np.searchsorted(edges, numbers)]


def _sorted(texts: Sequence[str]) -> list[str]:
    """As numbers where they begin with some."""

    def key(text: str) -> tuple[float, str]:
        try:
            return float(text.partition(" ")[0]), text
        except ValueError:
            return float("inf"), text

    return sorted(texts, key=key)


def judge(
    slices: Sequence[Slice],
    wanted: Metric,
    truth: Array,
    outputs: Array,
    reference: Array | None,
    least: int,
    seed: int,
) -> list[Told]:
    """Both models on every slice, on predictions of the whole set; `reference` are those of the float model."""
    found = []
    for each in slices:
        metric = metric_within(each, wanted)
        if metric is None:
            continue
        true, places = truth[each.places], each.places
        quantized = metric.scorer(outputs[places], true)
        here = value(quantized)
        if np.isnan(here):
            continue
        before, loss = None, None
        if reference is not None:
            original = metric.scorer(reference[places], true)
            before = value(original)
            loss = paired([original, quantized], [metric.sign, -metric.sign], seed)
        found.append(Told(each, metric, before, here, loss, loss is not None and len(places) >= least))
    return found


def metric_within(each: Slice, wanted: Metric) -> Metric | None:
    """A metric of a whole set says little of one class: accuracy takes its place there. None where nothing fits."""
    if each.by != LABEL or wanted.labels == NUMBERS or wanted.name == "accuracy" or wanted.name.startswith("top-"):
        return wanted
    return METRICS["accuracy"] if wanted.labels == CLASSES else None


def findings(told: Sequence[Told], whole: dict[str, float]) -> list[Finding]:
    """The slices that lost more than the whole set did, which is `whole` by metric; the worst one first."""
    judged = [each for each in told if each.judged and each.loss]
    found = []
    for each in judged:
        assert each.loss is not None and each.float_value is not None
        confidence = 1 - (1 - CONFIDENCE) / len(judged)
        interval, average = each.loss.at(confidence), whole[each.metric.name]
        worth = WORTH if each.metric.unit == FRACTION else WORTH * abs(each.float_value)
        if interval.low > max(0.0, average) and interval.value >= average + worth:
            found.append((interval.value, _finding(each, interval.low, interval.high, average, len(judged))))
    return [finding for _, finding in sorted(found, key=lambda pair: -pair[0])]


def _finding(each: Told, low: float, high: float, average: float, many: int) -> Finding:
    metric, loss, before = each.metric, each.loss, each.float_value
    assert loss is not None and before is not None
    points = metric.unit == FRACTION
    scale, unit = (100.0, " points") if points else (1.0, f" {metric.unit}".rstrip())
    figures = f"{scale * before:.4g} to {scale * each.value:.4g}{' %' if points else ''}"
    message = (
        f"The slice {each.title} lost {scale * loss.value:.3g}{unit} of {metric.title} ({figures}) on "
        f"{len(each.slice.places)} samples, interval {scale * low:.3g} .. {scale * high:.3g} (95 % over {many} slices "
        f"together); all samples lost {scale * average:.2g}."
    )
    hint = (
        "Are there enough samples of it in the calibration data? 'edgeq sensitivity' shows the layers that lose most."
    )
    return Finding("slice", "warning", message, hint, round(scale * loss.value, 6), round(scale * average, 6))
