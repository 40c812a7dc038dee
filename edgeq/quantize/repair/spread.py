"""Some of many samples, evenly spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread(count: int, most: int) -> Sequence[int]:
    """At most `most` places below `count`, the first and the last among them."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))]
