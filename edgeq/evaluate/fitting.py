"""Which metric suits a model and a labelled set, and whether the three fit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edgeq.errors import UsageError
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.metrics import CLASSES, MASKS, VOID, Metric, metric
from edgeq.evaluate.predict import Variant


def fitting(variant: Variant, data: Labelled, name: str, folder: Path | None = None) -> Metric:
    """The metric by its `name`, or the one that suits; `UsageError` where model, labels and metric do not fit."""
    data.check()
    chosen = metric(name or _suiting(variant, data), folder)
    if chosen.labels == CLASSES:
        _check_classes(variant, data, chosen)
    if chosen.labels == MASKS:
        _check_masks(variant, data, chosen)
    return chosen


def _suiting(variant: Variant, data: Labelled) -> str:
    if data.labels is not None:
        return "auc" if variant.rebuilds else "accuracy"
    truth = data.truth
    if truth.dtype.kind not in "iub" or truth.ndim < 3:
        return "mae"
    # One output for each value: of two classes, or a picture.
    single = variant.size == math.prod(truth.shape[1:])
    return "mae" if single and ((truth > 1) & (truth != VOID)).any() else "miou"


def _check_classes(variant: Variant, data: Labelled, chosen: Metric) -> None:
    if data.labels is None:
        raise UsageError(
            f"'{data.title}' has labels that are no class numbers, which {chosen.name} compares with.",
            "Use the metric mae or mse for numbers and miou for masks: --metric, or [evaluation] of edgeq.toml.",
        )
    classes = 2 if variant.rebuilds else max(2, variant.size)
    if data.labels.max() >= classes or data.labels.min() < 0:
        raise UsageError(
            f"'{data.title}' has labels from {data.labels.min()} to {data.labels.max()}; the model knows {classes} "
            f"classes (0..{classes - 1}).",
            "Number the labels as the model's outputs are numbered; the metrics mae and mse take them as numbers.",
        )
    if variant.rebuilds and chosen.name != "auc":
        raise UsageError(
            f"The model rebuilds its input, so {chosen.name} by the largest output is not defined.",
            "Use the metric auc (--metric, or [evaluation]): the error of reconstruction tells samples of class 1.",
        )
    if chosen.name == "auc" and len(np.unique(data.labels)) < 2:
        raise UsageError(f"'{data.title}' has samples of one class only.", "AUC needs samples of at least two.")


def _check_masks(variant: Variant, data: Labelled, chosen: Metric) -> None:
    truth, shape = data.truth, variant.interface.outputs[-1].shape[1:]
    if truth.ndim < 3 or (truth.dtype.kind == "f" and (truth != np.rint(truth)).any()):
        raise UsageError(
            f"'{data.title}' has no masks of class numbers, which {chosen.name} compares with.",
            "Save them as y of shape [n, h, w], or as a folder of PNG files (docs/data.md).",
        )
    size, output = ([extent for extent in each if extent != 1] for each in (truth.shape[1:], shape))
    if output[: len(size)] != size and output[:1] != [math.prod(size)]:
        raise UsageError(
            f"The masks of '{data.title}' have the shape {list(truth.shape[1:])}, the model's output {list(shape)}.",
            "Give masks of the size of the model's output, scaled to the nearest pixel; the metric mae takes numbers.",
        )
    found, classes = np.unique(truth), max(2, variant.size // math.prod(size))
    if found.tolist() == [0, VOID] and classes <= VOID:
        raise UsageError(
            f"The masks of '{data.title}' hold nothing but 0 and {VOID}, and a pixel of {VOID} counts for nothing.",
            "Save the pixels of class 1 as 1.",
        )
    most = max((int(number) for number in found if number != VOID or classes > VOID), default=0)
    if most >= classes:
        raise UsageError(
            f"The masks of '{data.title}' have classes up to {most}; the model knows {classes} (0..{classes - 1}).",
            f"Number them as the model's outputs are numbered; {VOID} is a pixel that counts for nothing.",
        )
