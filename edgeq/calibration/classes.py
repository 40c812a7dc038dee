"""Whether every class is there, and none is nearly all of the set."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.calibration.evidence import Evidence, told
from edgeq.finding import Finding

EXPECTED = 5
"""In a set with fewer samples for each class than this, a missing class may be chance."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs labels."""
    yield from _beyond(evidence)
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


def _beyond(evidence: Evidence) -> Iterator[Finding]:
    """Labels that the model has no output for."""
    count = evidence.model.classes if evidence.model else 0
    for facts in (evidence.calibration, evidence.evaluation):
        most = max(facts.counts, default=0) if facts and facts.counts else 0
        if facts and count and most >= count:
            yield Finding(
                "labels-range",
                "error",
                f"'{facts.spec}' has labels up to {most}, and the model tells {count} classes apart: 0 to {count - 1}.",
                "Number the classes from 0 in the order of the model's outputs, or take the model that has them all.",
                most,
                count - 1,
            )
