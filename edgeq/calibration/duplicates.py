"""Samples that are there more than once: they count as one, and make the set look larger than it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.calibration.constant import flat_samples
from edgeq.calibration.evidence import Evidence, SetFacts, told
from edgeq.calibration.prints import distances, limit
from edgeq.finding import Finding

LIMIT = 0.01
"""Share of the samples that may be copies before it is worth a warning; real sets have a few."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Exact copies by content, then near ones by their prints. Those that say nothing are told by another check."""
    facts = evidence.calibration
    if not len(facts):
        return
    flat = set(np.flatnonzero(flat_samples(facts)).tolist())
    exact = [place for place in exact_copies(facts) if place not in flat]
    if exact:
        yield _finding("duplicates", facts, exact, "have the same content as another one")
    near = sorted(set(near_copies(facts)) - set(exact) - flat)
    if near:
        yield _finding("near-duplicates", facts, near, "are nearly the same as another one")


def exact_copies(facts: SetFacts) -> list[int]:
    """The places of samples that were there before."""
    seen: set[str] = set()
    found = []
    for place, digest in enumerate(facts.digests):
        if digest in seen:
            found.append(place)
        seen.add(digest)
    return found


def near_copies(facts: SetFacts) -> list[int]:
    """The places of samples that have a much closer one before them than samples of this set usually have."""
    below = limit(facts.prints)
    if not below:
        return []
    apart = np.tril(distances(facts.prints, facts.prints, facts.prints), -1)
    apart[np.triu_indices(len(apart))] = 2
    return [int(place) for place in np.flatnonzero((apart < below).any(axis=1))]


def _finding(code: str, facts: SetFacts, places: list[int], what: str) -> Finding:
    share = len(places) / len(facts)
    return Finding(
        code,
        "warning" if share > LIMIT and len(places) > 1 else "info",
        f"{len(places)} of {len(facts)} samples of '{facts.spec}' ({share:.1%}) {what}: "
        f"{told([facts.names[place] for place in places])}.",
        "Replace them with other samples.",
        share,
        LIMIT,
    )
