"""Samples that alone would set the ranges of most tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.calibration.evidence import Evidence, Floats, told
from edgeq.finding import Finding

LIMIT = 2.0
"""The factor by which a sample widens the middle one of all tensors, against what 5 of 100 samples reach: one bit of
eight is lost then."""
LEAST = 16


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs a model."""
    model, facts = evidence.model, evidence.calibration
    if model is None or len(facts) < LEAST:
        return
    factors = widening(model.extremes)
    strange = [int(place) for place in np.argsort(-factors) if factors[place] > LIMIT]
    if not strange:
        return
    names = [f"{facts.names[place]} (x{factors[place]:.1f})" for place in strange]
    yield Finding(
        "outliers",
        "warning",
        f"{len(strange)} of {len(facts)} samples of '{facts.spec}' widen the ranges to {factors[strange[0]]:.1f} times "
        f"what the others need, in the middle of all tensors: {told(names)}.",
        'Remove them if they are mistakes, or let ranges follow the others: method = "per-sample" in a recipe.',
        float(factors[strange[0]]),
        LIMIT,
    )


def widening(extremes: Floats) -> Floats:
    """(n,): the median over all tensors of how far each sample goes beyond the 95th percentile; the input counts by
    itself where that is more. `extremes` (tensors, n), the input first."""
    typical = np.quantile(extremes, 0.95, axis=1)
    moving = extremes.max(axis=1) > 0
    if not moving.any():
        return np.ones(extremes.shape[1], np.float32)
    factors = extremes[moving] / np.maximum(typical[moving], 1e-30)[:, None]
    middle = np.median(factors, axis=0)
    return np.asarray(np.maximum(middle, factors[0] / 2), np.float32)
