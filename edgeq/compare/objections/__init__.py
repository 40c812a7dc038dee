"""Why a comparison of two runs would mislead: one registry, a code each, and waivers by which somebody answers for it.

`refuse` means that the figures it is about are not compared unless it is waived; `warn` that they are, with a remark.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from edgeq.compare.metrics import METRICS, Metric
from edgeq.compare.objections import of_devices, of_energy, of_plans, of_releases, of_runs
from edgeq.compare.objections.check import ACCURACY, ALL, ENERGY, TIMES, Check, Objection, Pair, sentence
from edgeq.errors import UsageError
from edgeq.run import Run
from edgeq.waiver import Waiver, check_code

__all__ = ["CHECKS", "CODES", "Check", "Objection", "check_waivable", "object_to", "read_waiver"]

CHECKS = (
    *(of_runs.SAME_RUN, of_runs.INVALID_RUN, of_runs.DEGRADED_RUN),
    *(of_devices.EMULATED_REAL, of_releases.OTHER_MODEL, of_devices.OTHER_DEVICE),
    *(of_plans.OTHER_THREADS, of_plans.OTHER_DELEGATE, of_releases.OTHER_PREPROCESS),
    *(of_plans.OTHER_SPAN, of_plans.OTHER_LENGTH, of_releases.OTHER_INPUT, of_releases.OTHER_DATA),
    *(of_energy.OTHER_SUPPLY, of_energy.OTHER_TIER, of_energy.OTHER_SCOPE, of_energy.OTHER_GATE),
    *(of_devices.OTHER_RUNTIME, of_releases.OTHER_LINEAGE, of_devices.OTHER_GOVERNOR, of_devices.OTHER_EMULATOR),
)
"""Every reason, the gravest first."""
CODES = {check.code: check for check in CHECKS}
_OF_FILES = ("same_run", "other_model", "other_lineage")
_NOT_OF_ACCURACY = ("other_threads", "other_governor", "emulated_real")
"""What a device decides does not depend on how fast, how warm or how busy it is."""
_DECIDES_OTHERWISE = "device_differs"
"""The issue of a degraded run that is about what its device decides."""


def check_waivable(code: str) -> None:
    """`UsageError` for a code that no objection has, or one that nobody can answer for."""
    check_code(code, tuple(CODES), "objection")
    if not CODES[code].waivable:
        raise UsageError(f"'{code}' cannot be waived: {CODES[code].when}.", CODES[code].hint)


def read_waiver(code: str, by: str, reason: str) -> Waiver:
    """A waiver of an objection; `UsageError` as `check_waivable` says."""
    check_waivable(code)
    return Waiver(code, by.strip(), reason.strip())


def object_to(
    base: Sequence[Run], new: Sequence[Run], metrics: Sequence[str], waivers: Sequence[Waiver]
) -> tuple[Objection, ...]:
    """What stands against comparing these sides by these metrics, each code once.

    Every run is held against every other one: those of one side must be alike, too.
    """
    by_code, found = {waiver.code: waiver for waiver in waivers}, dict[str, Objection]()
    otherwise = any(issue.code == _DECIDES_OTHERWISE for run in (*base, *new) for issue in run.issues)
    concerned = {
        check.code: tuple(name for name in metrics if _concerns(check, METRICS[name], otherwise)) for check in CHECKS
    }
    for pair in _pairs(base, new):
        for check in CHECKS:
            message = check.find(pair) if concerned[check.code] and check.code not in found else ""
            if message:
                told = sentence(message), check.hint, concerned[check.code]
                objection = Objection(check.code, check.severity, check.about, *told)
                found[check.code] = replace(objection, waiver=by_code.get(check.code))
    return tuple(found[check.code] for check in CHECKS if check.code in found)


def _pairs(base: Sequence[Run], new: Sequence[Run]) -> list[Pair]:
    """Pairs across the sides come first: they are told, where others have the same code."""
    names = (
        [f"{word} (run {number})" if len(side) > 1 else word for number in range(1, len(side) + 1)]
        for word, side in (("the base", base), ("the new run", new))
    )
    named = [list(zip(side, words, strict=True)) for side, words in zip((base, new), names, strict=True)]
    across = itertools.product(*named)
    inside = (pair for side in named for pair in itertools.combinations(side, 2))
    return [Pair(one, other, first, second) for (one, first), (other, second) in (*across, *inside)]


def _concerns(check: Check, metric: Metric, otherwise: bool) -> bool:
    """Whether an objection of this kind is about the metric. Sizes of a file are what they are, whoever benched it.
    `otherwise` where a run is degraded as its device decides otherwise than the host."""
    if metric.name == "model_bytes":
        return check.code in _OF_FILES
    if metric.kind == "accuracy" and check.code == "degraded_run":
        return otherwise
    if metric.kind == "accuracy":
        return check.about in (ALL, ACCURACY) and check.code not in _NOT_OF_ACCURACY
    if metric.kind == "energy":
        return check.about in (ALL, TIMES, ENERGY)
    return check.about == ALL or (check.about == TIMES and metric.timing)
