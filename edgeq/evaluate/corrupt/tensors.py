"""What happens to numbers of any shape. Levels are edgeq's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.evaluate.corrupt.corruption import Corruption
from edgeq.preprocess import Raw


def _noise(raw: Raw, share: float, random: np.random.Generator) -> Raw:
    """Normal noise, its sigma a share of the sample's own standard deviation; whole numbers stay whole."""
    values, dtype = raw.array.astype(np.float64), raw.array.dtype
    found = values + random.normal(size=values.shape) * share * values.std()
    if dtype.kind in "iu":
        found = np.rint(np.clip(found, np.iinfo(dtype).min, np.iinfo(dtype).max))
    return replace(raw, array=found.astype(dtype))


TENSORS = (Corruption("noise", "share of the standard deviation", (0.05, 0.1, 0.2, 0.3, 0.4), _noise),)
