"""A set that is noise, or holds samples that are: neighbours that have nothing to do with each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.calibration.evidence import Evidence, SetFacts, told
from edgeq.calibration.prints import LEAST_LENGTH, correlation
from edgeq.finding import Finding

LEAST_VALUES, LEAST_SAMPLES = 1000, 8
SLACK = 0.02
"""Correlation that is let pass beside four standard errors."""
SHAPE = 0.03
"""How far the distribution may be from a uniform or a normal one (largest difference of the cumulative ones)."""
SMOOTH = 0.4
"""Where the samples of a set have at least this correlation in the middle, one without any is another kind of thing."""
APART = 0.4
"""And it has less than this share of what is in the middle: in 8 x 8 pixels chance alone gives correlations of 0.4."""
LEAST_FEATURES = 64
COMMON = 1.15
"""What unrelated values seem to have in common, in units of the Marchenko-Pastur edge: 0.95 to 1.05 in trials."""
Values = NDArray[np.float64]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Of what was read, and of what the model sees."""
    facts = evidence.calibration
    if evidence.model is not None and evidence.model.generator:
        return  # noise is what such a model takes
    for arrays in (facts.few_raw, facts.few):
        kind, correlation, limit = _noise(arrays)
        if kind:
            yield Finding(
                "noise",
                "error",
                f"'{facts.spec}' is {kind} noise, not data: neighbouring values have a correlation of "
                f"{correlation:.3f}, no more than chance gives ({limit:.3f}), and their distribution is {kind}.",
                "Give real samples: even 32 without labels are better. Ranges from noise are those of nothing that the "
                "device will see.",
                correlation,
                limit,
            )
            return
    alone = None if facts.kind == "audio" else _unrelated(facts.few)
    if alone:
        yield _alone(facts.spec, alone)
    yield from _strangers(facts)


def _noise(arrays: Sequence[NDArray[Any]]) -> tuple[str, float, float]:
    """ "uniform" or "normal", the largest correlation of neighbours and its limit; "" for data."""
    if len(arrays) < LEAST_SAMPLES or arrays[0].size * len(arrays) < LEAST_VALUES:
        return "", 0.0, 0.0
    x = np.stack(arrays).astype(np.float64)
    axes = [axis for axis in range(1, x.ndim) if x.shape[axis] >= LEAST_LENGTH]
    if not axes or x.std() == 0:
        return "", 0.0, 0.0
    variants = [(x - x.mean()) / x.std()]
    if len(axes) > 1 and len(x) >= 2 * LEAST_SAMPLES:
        spread = x.std(axis=0)
        variants.append((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1))
    for values in variants:
        found = max(_together(values, axis) for axis in axes)
        limit = 4 / math.sqrt(values.size) + SLACK
        if found <= limit and (kind := _shape(values)):
            return kind, found, limit
    return "", 0.0, 0.0


def _alone(spec: str, found: tuple[float, float]) -> Finding:
    """A warning: features can be made so that none has to do with another."""
    return Finding(
        "noise",
        "warning",
        f"'{spec}' may be noise with the mean and deviation of data: the values of a sample have nothing to do with "
        f"each other. The most that they have in common is {found[0]:.2f} times what chance gives, and their "
        f"distribution is a plain one.",
        "Give real samples, unless the model takes features that are unrelated.",
        *found,
    )


def _unrelated(arrays: Sequence[NDArray[Any]]) -> tuple[float, float] | None:
    """Of samples with one axis, which may have no order: the largest variance along any direction, in units of what
    unrelated values would have (Marchenko and Pastur, 1967), and its limit; None for data."""
    if len(arrays) < 2 * LEAST_SAMPLES or sum(size > 1 for size in arrays[0].shape) != 1:
        return None
    x = np.stack(arrays).astype(np.float64).reshape(len(arrays), -1)
    x = x[:, x.std(axis=0) > 0]
    if x.shape[1] < LEAST_FEATURES:
        return None
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    edge = (1 + math.sqrt((len(x) - 1) / x.shape[1])) ** 2
    found = float(np.linalg.eigvalsh(x @ x.T / x.shape[1])[-1]) / edge
    return (found, COMMON) if found <= COMMON and _shape(x) else None


def _together(x: Values, axis: int) -> float:
    """The correlation of neighbours along `axis`, or of how far they are from 0 where that is more."""
    count = x.shape[axis]
    one, other = np.take(x, range(count - 1), axis).ravel(), np.take(x, range(1, count), axis).ravel()
    return max(correlation(one, other), correlation(np.abs(one), np.abs(other)))


def _shape(x: Values) -> str:
    """Which distribution the values have."""
    values = np.sort(x.ravel())[:: max(1, x.size // 50_000)]
    steps = (np.arange(len(values)) + 0.5) / len(values)
    low, high = values[0], values[-1]
    wanted = {
        "uniform": np.clip((values - low) / max(high - low, 1e-12), 0, 1),
        "normal": 0.5 * (1 + _erf((values - values.mean()) / (values.std() + 1e-12) / math.sqrt(2))),
    }
    limit = SHAPE + 1.36 / math.sqrt(len(values))
    return next((kind for kind, each in wanted.items() if np.abs(each - steps).max() <= limit), "")


def _erf(x: Values) -> Values:
    found: Values = np.vectorize(math.erf, otypes=[float])(x)
    return found


def _strangers(facts: SetFacts) -> Iterator[Finding]:
    """Single samples whose neighbouring values are unrelated in a set where they are related."""
    found = facts.smooth
    series = facts.few[0].squeeze().ndim == 1
    if facts.kind == "audio" and series:
        return  # clips of sound may well be noise
    if len(facts) < 2 * LEAST_SAMPLES or not np.isfinite(found).all():
        return
    middle = float(np.median(found))
    limit = min(4 / math.sqrt(facts.few[0].size) + SLACK, APART * middle)
    strange = np.flatnonzero(found <= limit)
    if not len(strange) or middle < SMOOTH:
        return
    yield Finding(
        "noise-samples",
        "warning",
        f"{len(strange)} of {len(facts)} samples of '{facts.spec}' are noise where the others are smooth (correlation "
        f"of neighbours {found[strange].max():.2f} at most, {middle:.2f} in the middle of the set): "
        f"{told([facts.names[place] for place in strange])}.",
        "Remove them" + (", unless they are signals (sound, vibration), which may be noise." if series else "."),
        float(found[strange].max()),
        limit,
    )
