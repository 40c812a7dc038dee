"""Accuracy of the float and the quantized model, side by side on the same samples, on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset import Dataset, fit_samples
from edgeq.errors import UsageError
from edgeq.interface import Interface
from edgeq.quantize.host import invoke_all
from edgeq.stats import paired_difference

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 0


@dataclass(frozen=True)
class Variant:
    """One `.tflite` model and what its numbers mean."""

    model: bytes
    interface: Interface


def predict(variant: Variant, x: NDArray[Any], kernels: str = "xnnpack") -> NDArray[np.float32]:
    """The last output for every sample of `x` (n, ...), as real values (n, m)."""
    source, result = variant.interface.inputs[0], variant.interface.outputs[-1]
    raw = source.quantize(fit_samples(x, source.name, source.shape))
    runs = invoke_all(variant.model, kernels, ([sample.tobytes()] for sample in raw))
    outputs = b"".join(results[-1] for results in runs)
    return result.dequantize(np.frombuffer(outputs, result.dtype).reshape(len(raw), -1))


def evaluate(reference: Variant, quantized: Variant, data: Dataset, kernels: str) -> dict[str, Any]:
    """The `evaluation` of a bundle's manifest (docs/bundle.md). `UsageError` where the labels do not fit the model."""
    labels = _labels(data, reference.interface)
    expected = _classes(predict(reference, data.x))
    got = _classes(predict(quantized, data.x, kernels))
    float_right, right = (expected == labels).astype(np.float64), (got == labels).astype(np.float64)
    drop, low, high = paired_difference(float_right, right, confidence=CONFIDENCE, resamples=RESAMPLES, seed=SEED)
    return {
        "samples": len(labels),
        "float_accuracy": float(float_right.mean()),
        "accuracy": float(right.mean()),
        "agreement": float((expected == got).mean()),
        "drop": float(drop),
        "drop_low": float(low),
        "drop_high": float(high),
        "confidence": CONFIDENCE,
        "method": f"paired bootstrap, {RESAMPLES} resamples, seed {SEED}",
        "evaluated_on": "host",
        "data_sha256": data.sha256,
    }


def _classes(outputs: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray(outputs.argmax(axis=1), np.int64)


def _labels(data: Dataset, interface: Interface) -> NDArray[np.int64]:
    labels = data.classes()
    output = interface.outputs[-1]
    classes = int(np.prod(output.shape[1:]))
    if classes < 2:
        raise UsageError(
            f"The model's output '{output.name}' has one value, so accuracy by the largest output is not defined.",
            "Build without --eval, or give the model one output per class.",
        )
    if labels.max() >= classes:
        raise UsageError(
            f"'{data.path}' has labels up to {labels.max()}; the model knows {classes} classes (0..{classes - 1}).",
            "Number the labels as the model's outputs are numbered.",
        )
    return labels
