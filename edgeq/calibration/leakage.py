"""Samples of the evaluation set that are in the calibration set too: what is measured on them is too good."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.calibration.evidence import Evidence, SetFacts, told
from edgeq.calibration.prints import distances, limit
from edgeq.finding import Finding

LIMIT = 0.01
"""Share of the evaluation set that may be copies before it is worth a warning."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Exact copies by content, then near ones by their prints."""
    facts, other = evidence.calibration, evidence.evaluation
    if other is None or not len(facts) or not len(other):
        return
    known = set(facts.digests)
    exact = [place for place, digest in enumerate(other.digests) if digest in known]
    if exact:
        yield _finding("leakage", other, exact, f"are in '{facts.spec}' too")
    if facts.prints.shape[1:] != other.prints.shape[1:]:
        return
    both = np.concatenate([facts.prints, other.prints])
    below = min(limit(facts.prints), limit(other.prints))
    near = np.flatnonzero((distances(other.prints, facts.prints, both) < below).any(axis=1))
    left = sorted(set(map(int, near)) - set(exact))
    if left:
        yield _finding("near-leakage", other, left, f"are nearly the same as some of '{facts.spec}'")


def _finding(code: str, facts: SetFacts, places: list[int], what: str) -> Finding:
    share = len(places) / len(facts)
    return Finding(
        code,
        "warning" if share > LIMIT else "info",
        f"{len(places)} of {len(facts)} samples of '{facts.spec}' ({share:.1%}) {what}: "
        f"{told([facts.names[place] for place in places])}.",
        "Keep the evaluation set apart: take these samples out of one of the two.",
        share,
        LIMIT,
    )
