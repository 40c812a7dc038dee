"""Waivers: somebody has looked at what stands in the way and answers for it, `[[waivers]]` of a TOML file.

Those of `edgeq.toml` are of findings, those of a policy of objections to a comparison (`edgeq/compare/objections/`).
What is waived is still told, as waived, by whom and why. Errors end a build before any waiver is asked.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgeq.errors import UsageError
from edgeq.finding import Finding

_OF_MODELS = (
    *("alternatives", "arena", "corruption", "custom", "data", "delegate", "experimental-weights", "firmware-size"),
    *("flash", "memory", "mode", "operator", "other-runtime", "out-of-distribution", "plan", "preprocess", "ram"),
    *("runtime", "signature", "slice", "tflm", "trial", "waiver"),
)
_OF_DATA = (
    *("answers", "channels", "class-balance", "class-missing", "clipping", "codes", "constant", "dead-channels"),
    *("duplicates", "few-samples", "labels-disagree", "labels-order", "labels-range", "leakage", "near-duplicates"),
    *("near-leakage", "noise", "noise-samples", "orientation", "outliers", "polarity", "range-of-one", "sample-size"),
    *("scale", "shape", "shift", "silence", "still-tensor", "unreadable", "wasted-range"),
)
_OF_TRAINING = (
    *(
        "qat-accuracy-drop",
        "qat-few-samples",
        "qat-imported",
        "qat-moved-weights",
        "qat-no-gain",
        "qat-open-ranges",
        "qat-parted",
    ),
    *("qat-equalized", "qat-worse"),
)
CODES = (*_OF_MODELS, *_OF_DATA, *_OF_TRAINING)
"""Every code that a finding can have."""
_KEYS = ("code", "by", "reason")
_EXAMPLE = 'Write code = "other-runtime", "tflm", by = "Ada", reason = "measured on the board" below [[waivers]].'


@dataclass(frozen=True)
class Waiver:
    """What has this `code` is waived `by` somebody, for a `reason`."""

    code: str
    by: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """What `read_waivers` reads."""
        return asdict(self)


@dataclass(frozen=True)
class Waived:
    """A finding and the waiver that it met."""

    finding: Finding
    waiver: Waiver


def check_code(code: str, known: Sequence[str] = CODES, noun: str = "finding") -> None:
    """`UsageError` for a code that no such thing has."""
    if code not in known:
        raise UsageError(f"No {noun} has the code '{code}' that a waiver names.", _near(code, known))


def read_waivers(tables: Any, check: Callable[[str], None] = check_code, example: str = _EXAMPLE) -> tuple[Waiver, ...]:
    """Read `[[waivers]]`, with a `check` of each code; `UsageError` says what is missing, unknown, or no text."""
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise UsageError("'waivers' must be a list of tables.", example)
    waivers = tuple(_waiver(table, example) for table in tables)
    for waiver in waivers:
        check(waiver.code)
    codes = [waiver.code for waiver in waivers]
    twice = next((code for code in codes if codes.count(code) > 1), None)
    if twice:
        raise UsageError(f"'{twice}' is waived twice.", "Write one [[waivers]] for each code.")
    return waivers


def _waiver(table: Mapping[str, Any], example: str) -> Waiver:
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"A waiver has no '{key}'.", _near(str(key), _KEYS))
    for key in _KEYS:
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise UsageError(f"A waiver has no text '{key}'.", example)
    return Waiver(*(table[key].strip() for key in _KEYS))


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."


def waive(findings: Sequence[Finding], waivers: Sequence[Waiver]) -> tuple[list[Finding], list[Waived]]:
    """What stays of `findings`, and what is waived."""
    by_code = {waiver.code: waiver for waiver in waivers}
    waived = [
        Waived(each, by_code[each.code]) for each in findings if each.code in by_code and each.severity != "error"
    ]
    left = [each for each in findings if each.code not in by_code or each.severity == "error"]
    return left, waived


def idle(waivers: Sequence[Waiver], waived: Sequence[Waived]) -> list[Finding]:
    """A finding for each waiver that met none: of a whole build, for one target may have what another has not."""
    met = {each.waiver.code for each in waived}
    return [
        Finding("waiver", "info", f"The waiver of '{each.code}' met no finding.", "Take it out of edgeq.toml.")
        for each in waivers
        if each.code not in met
    ]
