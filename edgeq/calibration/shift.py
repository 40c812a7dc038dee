"""Whether the evaluation set is of another kind than the calibration set: a two-sample test on the first layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.calibration.evidence import Evidence, Floats, Numbers
from edgeq.finding import Finding

LEAST = 20
DRAWS = 400
APART = 1.0
"""Difference of the means of a feature, in its own deviations, that is let pass however sure it is."""
_SEED = 0


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs a model and an evaluation set. Where both have labels, the same number of each class is compared."""
    model, other = evidence.model, evidence.evaluation
    if model is None or other is None:
        return
    one, two = matched(model.features, evidence.calibration.labels, model.features_evaluation, other.labels)
    if min(len(one), len(two)) < LEAST:
        return
    found, chance = apart(one, two)
    limit = max(APART, 1.5 * chance)
    if found > limit:
        yield Finding(
            "shift",
            "warning",
            f"'{other.spec}' is of another kind than '{evidence.calibration.spec}': a feature of the first layer, or "
            f"how far it spreads, differs by {found:.1f} of its deviations between the two; {limit:.1f} are let pass, "
            f"and mixing the sets {DRAWS} times gave {chance:.1f} at most.",
            "Compare how the two were recorded and preprocessed: ranges from the one need not fit the other.",
            found,
            limit,
        )


def matched(one: Floats, labels: Numbers | None, two: Floats, others: Numbers | None) -> tuple[Floats, Floats]:
    """As many rows of each class from both, where that leaves enough."""
    if labels is None or others is None or len(labels) != len(one) or len(others) != len(two):
        return one, two
    mine: list[int] = []
    theirs: list[int] = []
    for number in np.intersect1d(labels, others):
        a, b = np.flatnonzero(labels == number), np.flatnonzero(others == number)
        count = min(len(a), len(b))
        mine += a[:count].tolist()
        theirs += b[:count].tolist()
    return (one[mine], two[theirs]) if len(mine) >= LEAST else (one, two)


def apart(one: Floats, two: Floats) -> tuple[float, float]:
    """The largest difference of a feature's means, in its deviations within the sets, and what chance gives. How far it
    is from its mean counts as a feature too: two sets of mean 0 differ in nothing else."""
    rows = np.concatenate([one, two]).astype(np.float64)
    rows = np.concatenate([rows, np.abs(rows - rows.mean(axis=0))], axis=1)
    apart = [rows[: len(one)].var(axis=0) * len(one), rows[len(one) :].var(axis=0) * len(two)]
    within = np.sqrt(sum(apart) / len(rows))
    overall = rows.std(axis=0)
    kept = overall > 1e-6 * (overall.max() + 1e-30)
    rows, within, overall = rows[:, kept], within[kept], overall[kept]
    if not rows.size:
        return 0.0, 0.0
    seen = np.zeros(len(rows))
    seen[: len(one)] = 1
    draw = np.random.default_rng(_SEED)
    signs = np.array([seen, *(draw.permutation(seen) for _ in range(DRAWS))])
    weights = signs / len(one) - (1 - signs) / len(two)
    differences = np.abs(weights @ (rows - rows.mean(axis=0)))
    within = np.maximum(within, 0.05 * overall)
    return float((differences[0] / within).max()), float((differences[1:] / overall).max())
