"""Samples that say nothing: black images, silence, one value throughout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeq.calibration.evidence import Evidence, SetFacts, told
from edgeq.finding import Finding

LIMIT = 0.01
"""Share of the set before it is worth a warning; the deviation of such a sample in units of the median one; too."""
SILENT_RMS = 2.0
"""Of int16: what is left of a microphone that is switched off."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Silence that is a class of its own is no finding."""
    facts = evidence.calibration
    if not len(facts):
        return
    flat, audio = flat_samples(facts), is_audio(facts)
    if not flat.any() or _own_class(facts, flat):
        return
    share = float(flat.mean())
    yield Finding(
        "silence" if audio else "constant",
        "error" if flat.all() else "warning" if share > LIMIT else "info",
        f"{int(flat.sum())} of {len(facts)} samples of '{facts.spec}' ({share:.1%}) "
        f"{'are silent' if audio else 'have nearly one value throughout'}: "
        f"{told([facts.names[place] for place in np.flatnonzero(flat)])}.",
        "Remove them, unless the device sees such input often.",
        share,
        LIMIT,
    )


def flat_samples(facts: SetFacts) -> NDArray[np.bool_]:
    """(n,): which samples say nothing."""
    flat = facts.deviations <= LIMIT * float(np.median(facts.deviations))
    if is_audio(facts):
        flat = flat | (facts.loudness <= max(SILENT_RMS, 0.002 * float(np.median(facts.loudness))))
    return np.asarray(flat)


def is_audio(facts: SetFacts) -> bool:
    """Whether all of it is int16 audio."""
    return bool(np.isfinite(facts.loudness).all())


def _own_class(facts: SetFacts, flat: NDArray[np.bool_]) -> bool:
    """Whether they are all of one class, and a good part of it: "background", "silence"."""
    if facts.labels is None or flat.all():
        return False
    numbers = np.unique(facts.labels[flat])
    return len(numbers) == 1 and float(flat[facts.labels == numbers[0]].mean()) >= 0.3
