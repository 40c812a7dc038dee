"""Which samples are trained on, and which are held back to judge by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError

FEWEST = 10
"""Samples below which there is nothing to train on and to judge by."""
MOST_HELD = 1000


def split(count: int, labels: NDArray[Any] | None, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Places to train on and places held back, in an order that is drawn. With labels every class gives its share.

    `UsageError` for fewer than `FEWEST` samples.
    """
    if count < FEWEST:
        raise UsageError(
            f"{count} samples are too few to train on.",
            f"Give at least {FEWEST}, better thousands; labels are not needed.",
        )
    order = np.random.default_rng(seed).permutation(count)
    wanted = min(MOST_HELD, max(1, round(count * share)))
    if labels is not None:
        # Classes take turns, so that any beginning of the order has as many of each as there are.
        ranks = np.empty(count)
        for number in np.unique(labels):
            members = np.flatnonzero(labels[order] == number)
            ranks[members] = (np.arange(len(members)) + 0.5) / len(members)
        order = order[np.argsort(ranks, kind="stable")]
    held = order[:wanted]
    rest = np.random.default_rng(seed + 1).permutation(order[wanted:])
    return rest.tolist(), held.tolist()
