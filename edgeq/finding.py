"""A finding: one answer about a model or its data, with a code, figures and advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One answer. `actual` and `limit` are in the unit that the message names, or None."""

    code: str
    severity: str
    message: str
    hint: str = ""
    actual: float | None = None
    limit: float | None = None


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Errors first."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
