"""Whether every class is there, and none is nearly all of the set."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.calibration.evidence import Evidence, told
from edgeq.finding import Finding

EXPECTED = 5
"""In a set with fewer samples for each class than this, a missing class may be chance."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs labels."""
    facts, count = evidence.calibration, evidence.class_count
    if not facts.counts or count < 2:
        return
    total = sum(facts.counts.values())
    missing = [facts.class_name(number) for number in range(count) if not facts.counts.get(number)]
    if missing:
        yield Finding(
            "class-missing",
            "warning" if total >= EXPECTED * count else "info",
            f"{len(missing)} of {count} classes are not in '{facts.spec}': {told(missing)}.",
            "Add samples of them: what only they need has no range.",
            len(missing),
            0,
        )
    number, most = max(facts.counts.items(), key=lambda pair: pair[1])
    limit = max(0.5, min(0.9, 3 / count))
    if total >= EXPECTED * 2 and most / total > limit and len(facts.counts) > 1:
        yield Finding(
            "class-balance",
            "warning",
            f"{most / total:.0%} of the samples of '{facts.spec}' are of the class '{facts.class_name(number)}'; "
            f"{limit:.0%} are let pass with {count} classes.",
            "Take about as many of each class.",
            most / total,
            limit,
        )
