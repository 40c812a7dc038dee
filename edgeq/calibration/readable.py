"""Samples that cannot be used at all: NaN, another shape, a damaged file."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.calibration.evidence import Evidence, SetFacts, told
from edgeq.finding import Finding


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each set that has such samples."""
    for facts in (evidence.calibration, evidence.evaluation):
        if facts and facts.broken:
            yield _finding(facts)


def _finding(facts: SetFacts) -> Finding:
    count, all_read = len(facts.broken), len(facts.broken) + len(facts)
    return Finding(
        "unreadable",
        "error",
        f"{count} of {all_read} samples of '{facts.spec}' cannot be used: {facts.broken[0]}",
        "A build stops at the first of them: repair or remove them." + _others(facts),
        count,
        0,
    )


def _others(facts: SetFacts) -> str:
    return f" The others: {told(facts.broken[1:])}" if len(facts.broken) > 1 else ""
