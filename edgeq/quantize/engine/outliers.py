"""Samples that are not like the others: one clip too loud can take the range of every tensor from all the rest."""

from __future__ import annotations

import numpy as np

from edgeq.quantize.engine.statistics import Statistics

FACTOR = 3.0
"""Measured on three models, 10 to 100 clean samples: a sample's median stays below 1.6; one that is 20 times too loud
has 7 or more."""
FEWEST = 5
"""Samples below which none can be told from the others."""


def outliers(statistics: Statistics) -> tuple[int, ...]:
    """Places of samples whose largest magnitude is `FACTOR` times the upper quartile of all samples, on half of the
    tensors or more. Never more than a quarter of the samples."""
    if statistics.count < FEWEST:
        return ()
    rows = [np.maximum(-tensor.lows, tensor.highs) for tensor in statistics.tensors.values()]
    magnitudes = np.array([row for row in rows if row.max() > 0], np.float64)
    if not magnitudes.size:
        return ()
    usual = np.maximum(np.quantile(magnitudes, 0.75, axis=1, keepdims=True), 1e-30)
    scores = np.median(magnitudes / usual, axis=0)
    return tuple(int(place) for place in np.flatnonzero(scores > FACTOR))
