"""How far confidence is from being right: the expected calibration error (Guo and others, 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.evaluate.metrics import decisions

BINS = 15
HOW = f"{BINS} bins of equal width over the largest probability"
OUTPUTS, SOFTMAX, SIGMOID = "outputs", "softmax of the outputs", "sigmoid of the output"
_STEP = 1 / 256
"""The scale of an 8-bit softmax: so far each value may be off."""


def calibration_error(probabilities: NDArray[Any], labels: NDArray[np.int64], bins: int = BINS) -> float:
    """`probabilities` (n, c) -> the mean distance, over samples, of the confidence of a bin from its accuracy."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (decisions(probabilities) == labels).astype(np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, right, bins) - np.bincount(place, confidence, bins)
    return float(np.abs(gaps).sum() / len(labels))


def how(outputs: NDArray[Any]) -> str:
    """What makes probabilities of a model's outputs (n, m): they are such themselves, or a softmax or sigmoid does."""
    low, high = outputs.min(), outputs.max()
    single = outputs.shape[1] == 1
    off = np.abs(outputs.sum(axis=1, dtype=np.float64) - 1).max()
    if low >= -_STEP and high <= 1 + _STEP and (single or off <= 0.02 + outputs.shape[1] * _STEP / 2):
        return OUTPUTS
    return SIGMOID if single else SOFTMAX


def probabilities(outputs: NDArray[Any], way: str) -> NDArray[np.float64]:
    """(n, m) -> (n, c), where a single output is the probability of the second of two classes."""
    found = outputs.astype(np.float64)
    if way == SOFTMAX:
        powers = np.exp(found - found.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)
    if way == SIGMOID:
        found = 1 / (1 + np.exp(-np.clip(found, -500, 500)))
    found = np.clip(found, 0, 1)
    return np.concatenate([1 - found, found], axis=1) if found.shape[1] == 1 else found
