"""The float and the quantized model, side by side on the same samples, on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.predict import Variant, predict
from edgeq.interface import Interface
from edgeq.stats import paired_difference

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 0
REORDERED = 0.2
"""By how much more of the samples must be right in another order of the classes before it is worth a note."""


@dataclass(frozen=True)
class Evaluation:
    """`document` is the `evaluation` of a bundle's manifest (docs/bundle.md), None without a labelled set; `notes` are
    what people should look at."""

    document: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


def evaluate(reference: Variant | None, quantized: Variant, data: Labelled, kernels: str) -> Evaluation:
    """Count on labelled samples. `UsageError` where the labels do not fit the model.

    Without a `reference`, of a model that came quantized, what compares with it is None.
    """
    labels = _labels(data, quantized.interface)
    got = _classes(predict(quantized, data.samples, kernels))
    right = (got == labels).astype(np.float64)
    found = {
        "samples": len(labels),
        "accuracy": float(right.mean()),
        "confidence": CONFIDENCE,
        "method": f"paired bootstrap, {RESAMPLES} resamples, seed {SEED}",
        "evaluated_on": "host",
        "data_sha256": data.sha256,
    }
    notes = tuple(_order(labels, got, quantized.interface))
    if reference is None:
        missing = dict.fromkeys(("float_accuracy", "agreement", "drop", "drop_low", "drop_high"))
        return Evaluation({**found, **missing}, notes)
    expected = _classes(predict(reference, data.samples))
    float_right = (expected == labels).astype(np.float64)
    drop, low, high = paired_difference(float_right, right, confidence=CONFIDENCE, resamples=RESAMPLES, seed=SEED)
    compared = {
        "float_accuracy": float(float_right.mean()),
        "agreement": float((expected == got).mean()),
        "drop": float(drop),
        "drop_low": float(low),
        "drop_high": float(high),
    }
    return Evaluation({**found, **compared}, notes)


def _order(labels: NDArray[np.int64], got: NDArray[np.int64], interface: Interface) -> Iterator[str]:
    """A note where the model would be right far more often if its classes were numbered in another way: each class has
    another answer that the model mostly gives, and no two have the same."""
    classes = np.unique(labels)
    mostly = np.array([np.bincount(got[labels == number]).argmax() for number in classes])
    if len(set(mostly)) < len(classes) or (mostly == classes).all():
        return
    now = float((got == labels).mean())
    then = float((mostly[np.searchsorted(classes, labels)] == got).mean())
    if then < now + REORDERED:
        return
    place = int((mostly != classes).argmax())
    names = interface.labels or range(1 + max(labels.max(), got.max()))
    was, says = names[classes[place]], names[mostly[place]]
    yield (
        f"Are the labels in the order of the model's outputs? Of '{was}' it mostly says '{says}'; "
        f"numbered as it answers, {then:.0%} of the samples would be right instead of {now:.0%}."
    )


def _classes(outputs: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray(outputs.argmax(axis=1), np.int64)


def _labels(data: Labelled, interface: Interface) -> NDArray[np.int64]:
    output = interface.outputs[-1]
    classes = int(np.prod(output.shape[1:]))
    if classes < 2:
        raise UsageError(
            f"The model's output '{output.name}' has one value, so accuracy by the largest output is not defined.",
            "Build without --eval, or give the model one output per class.",
        )
    if not len(data):
        raise UsageError(f"'{data.title}' holds no samples.", "Give labelled samples, better hundreds.")
    if len(data.labels) != len(data.samples):
        raise UsageError(
            f"'{data.title}' has {len(data.samples)} samples and {len(data.labels)} labels.",
            "Give one label for every sample.",
        )
    if data.labels.max() >= classes or data.labels.min() < 0:
        raise UsageError(
            f"'{data.title}' has labels from {data.labels.min()} to {data.labels.max()}; the model knows {classes} "
            f"classes (0..{classes - 1}).",
            "Number the labels as the model's outputs are numbered.",
        )
    return data.labels
