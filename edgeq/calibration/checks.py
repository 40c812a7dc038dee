"""Every check, by its name; a new one is a module and a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from edgeq.calibration import (
    answers,
    classes,
    clipping,
    codes,
    constant,
    curve,
    duplicates,
    leakage,
    noise,
    outliers,
    preprocessing,
    readable,
    shift,
    tensors,
)
from edgeq.calibration.evidence import Evidence
from edgeq.finding import Finding, ordered

CHECKS: Mapping[str, Callable[[Evidence], Iterator[Finding]]] = {
    "readable": readable.check,
    "noise": noise.check,
    "preprocessing": preprocessing.check,
    "integers": codes.check,
    "answers and labels": answers.check,
    "classes": classes.check,
    "constant samples": constant.check,
    "clipping": clipping.check,
    "duplicates": duplicates.check,
    "leakage": leakage.check,
    "outliers": outliers.check,
    "tensors": tensors.check,
    "other distribution": shift.check,
    "number of samples": curve.check,
}

CODES = (
    *("answers", "channels", "class-balance", "class-missing", "clipping", "codes", "constant", "dead-channels"),
    *("duplicates", "few-samples", "labels-disagree", "labels-order", "labels-range", "leakage", "near-duplicates"),
    *("near-leakage", "noise", "noise-samples", "orientation", "outliers", "polarity", "range-of-one", "sample-size"),
    *("scale", "shape", "shift", "silence", "still-tensor", "unreadable", "wasted-range"),
)
"""Every code that a finding of these can have."""


_FOLLOWS = {
    "noise": ("scale", "answers", "labels-disagree", "sample-size"),
    "scale": ("answers", "labels-disagree", "sample-size"),
    "orientation": ("answers", "labels-disagree"),
    "polarity": ("answers", "labels-disagree"),
    "labels-range": ("class-missing", "labels-disagree"),
}
"""Where the first is an error, the others say the same in other words, or say nothing."""


def run(evidence: Evidence) -> list[Finding]:
    """All findings, errors first."""
    if not len(evidence.calibration):
        return list(readable.check(evidence))
    found = [finding for check in CHECKS.values() for finding in check(evidence)]
    errors = {finding.code for finding in found if finding.severity == "error"}
    moot = {code for error in errors for code in _FOLLOWS.get(error, ())}
    return ordered([finding for finding in found if finding.code not in moot])
