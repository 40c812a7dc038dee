"""Objections to runs themselves: the same one twice, or one that says it is not to be trusted."""

from __future__ import annotations

from typing import Any

from edgeq.compare.objections.check import ALL, Check, Find, Pair, sentence
from edgeq.run import Run


def _same(pair: Pair) -> str:
    before, after = pair.each(_fingerprint)
    return f"{pair.first} and {pair.second} are one and the same run." if before == after else ""


def _fingerprint(run: Run) -> Any:
    """What no two benches share: when, what, and figures of which each bench has one. A baseline keeps all of it."""
    once = [run.one(name) for name in ("init", "first_inference", "init_instructions", "first_inference_instructions")]
    return run.created, run.release.get("digest"), [series.values for series in once if series]


def _says(verdict: str) -> Find:
    def find(pair: Pair) -> str:
        found = []
        for name, run in ((pair.first, pair.base), (pair.second, pair.new)):
            if run.verdict == verdict:
                codes = ", ".join(issue.code for issue in run.issues if issue.severity == verdict)
                found.append(sentence(f"{name} is {verdict}{f' ({codes})' if codes else ''}."))
        return " ".join(found)

    return find


SAME_RUN = Check("same_run", "refuse", ALL, _same, "both sides are one and the same run", "Name two runs.", False)
INVALID_RUN = Check(
    "invalid_run",
    "refuse",
    ALL,
    _says("invalid"),
    "a run is `invalid`: its figures must not be used",
    "Bench again; 'edgeq report RUN' says what is wrong.",
    False,
)
DEGRADED_RUN = Check(
    "degraded_run",
    "refuse",
    ALL,
    _says("degraded"),
    "a run is `degraded`: its figures may mislead",
    "Do what the run's hints say ('edgeq report RUN') and bench again.",
)
