"""The verb `compare`: two sides of runs, held against a policy. It sees only runs.

What would mislead is refused with its reason (`objections/`); what is left is tested on raw samples
(`difference.py`) and judged by the policy (`policy.py`). The result is plain data that a renderer tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.compare.baseline import read_side, write_baseline
from edgeq.compare.judge import Judged, judge
from edgeq.compare.objections import Objection, object_to, read_waiver
from edgeq.compare.policy import DEFAULT, Policy, default_policy, read_policy
from edgeq.errors import UsageError
from edgeq.run import Run
from edgeq.waiver import Waiver

__all__ = [
    "DEFAULT",
    "Comparison",
    "Judged",
    "Objection",
    "Policy",
    "Side",
    "Waiver",
    "compare",
    "compare_runs",
    "default_policy",
    "read_policy",
    "read_side",
    "read_waiver",
    "save_baseline",
]

OK, REGRESSION, REFUSED = "ok", "regression", "refused"
EXIT_CODES = {OK: 0, REGRESSION: 1, REFUSED: 2}


@dataclass(frozen=True)
class Side:
    """What one side is: `title` is the release, `device` the kind of device, `runs` how many."""

    title: str
    digest: str
    device: str
    how: str
    created: str
    runs: int


@dataclass(frozen=True)
class Comparison:
    """Two sides, compared. `verdict` is ok, regression or refused; `headline` one sentence. `metrics` are those of the
    policy, in its order; `idle` are waivers that met nothing."""

    verdict: str
    headline: str
    policy: str
    confidence: float
    base: Side
    new: Side
    metrics: tuple[Judged, ...]
    objections: tuple[Objection, ...]
    idle: tuple[Waiver, ...]

    @property
    def exit_code(self) -> int:
        """0 ok, 1 a regression, 2 refused."""
        return EXIT_CODES[self.verdict]


def compare(
    base: Sequence[Path], new: Sequence[Path], policy: Policy | None = None, waivers: Sequence[Waiver] = ()
) -> Comparison:
    """Read both sides (runs, folders of benches, baselines) and compare them."""
    if not base or not new:
        raise UsageError("Two sides are needed.", "edgeq compare BASE NEW, or --base A --base B --new C --new D")
    return compare_runs(read_side(base), read_side(new), policy, waivers)


def compare_runs(
    base: Sequence[Run], new: Sequence[Run], policy: Policy | None = None, waivers: Sequence[Waiver] = ()
) -> Comparison:
    """Compare two sides of runs. Waivers of the policy hold, too; those given here come first."""
    policy = policy or default_policy()
    by_code = {waiver.code: waiver for waiver in (*policy.waivers, *waivers)}
    there = [rule.metric.name for rule in policy.rules]
    objections = object_to(base, new, there, tuple(by_code.values()))
    against = {name for objection in objections if objection.refuses for name in objection.metrics}
    metrics = tuple(judge(rule, base, new, policy.confidence, rule.metric.name in against) for rule in policy.rules)
    met = {objection.code for objection in objections if objection.waiver}
    verdict = _verdict(metrics)
    return Comparison(
        verdict=verdict,
        headline=_headline(verdict, metrics, objections),
        policy=policy.name,
        confidence=policy.confidence,
        base=_side(base),
        new=_side(new),
        metrics=metrics,
        objections=objections,
        idle=tuple(waiver for code, waiver in by_code.items() if code not in met),
    )


def save_baseline(path: Path, paths: Sequence[Path]) -> tuple[Run, ...]:
    """Keep runs as a baseline for git; one that must not be used is no baseline."""
    runs = read_side(paths)
    if not runs:
        raise UsageError("A baseline is made of runs.", "edgeq compare --save-baseline FILE RUN")
    for run in runs:
        if run.verdict == "invalid":
            codes = ", ".join(issue.code for issue in run.issues if issue.severity == "invalid")
            raise UsageError(f"{run.path}: an invalid run is no baseline ({codes}).", "Bench again.")
    write_baseline(path, runs)
    return runs


def _verdict(metrics: Sequence[Judged]) -> str:
    """A regression is a fact, whatever else was refused; then come refusals, then what else the policy fails. A
    comparison of nothing is refused."""
    statuses = {each.status for each in metrics}
    if "regression" in statuses:
        return REGRESSION
    if "refused" in statuses:
        return REFUSED
    if any(each.gate == "fail" for each in metrics):
        return REGRESSION
    return OK if statuses - {"missing"} else REFUSED


def _headline(verdict: str, metrics: Sequence[Judged], objections: Sequence[Objection]) -> str:
    if verdict == REFUSED:
        reasons = [objection for objection in objections if objection.refuses]
        return f"Refused: {reasons[0].message}" if reasons else "Refused: no figure of the policy is on both sides."
    counts = Counter(each.status for each in metrics)
    failed = [each.label for each in metrics if each.status == "regression"]
    parts = [f"worse than allowed: {', '.join(failed)}"] if failed else []
    parts += [
        f"{what}: {', '.join(each.label for each in metrics if each.status == status and each.gate != 'pass')}"
        for status, what in (("unsure", "not enough samples to tell"), ("missing", "missing"))
        if any(each.status == status and each.gate != "pass" for each in metrics)
    ]
    fine = counts["same"] + counts["worse"] + counts["better"]
    parts += [f"{fine} of {len(metrics) - counts['missing']} figures are within the policy"] if fine else []
    word = "Regression" if failed else "The gate fails" if verdict == REGRESSION else "No regression"
    return f"{word}: {'; '.join(parts)}."


def _side(runs: Sequence[Run]) -> Side:
    run = runs[0]
    device = run.device
    kind = [device.get("board"), device.get("cpu"), device.get("arch")]
    hows = [series.how for series in run.series if series.name in ("invoke", "instructions")]
    return Side(
        title=str(run.release.get("name") or "model"),
        digest=str(run.release.get("digest") or ""),
        device=", ".join(dict.fromkeys(str(each) for each in kind if each)),
        how=hows[0] if hows else ("emulated" if device.get("emulated") else "measured"),
        created=run.created,
        runs=len(runs),
    )
