"""Waivers: somebody has looked at a finding and answers for it, `[[waivers]]` of `edgeq.toml`.

A finding that is waived is still told, as waived, by whom and why. Errors end a build before any waiver is asked.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
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
    *("duplicates", "few-samples", "labels-disagree", "labels-order", "leakage", "near-duplicates", "near-leakage"),
    *("noise", "noise-samples", "orientation", "outliers", "polarity", "range-of-one", "sample-size", "scale", "shape"),
    *("shift", "silence", "still-tensor", "unreadable", "wasted-range"),
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
    """Findings with this `code` are waived `by` somebody, for a `reason`. `UsageError` for a code that none has."""

    code: str
    by: str
    reason: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            near = difflib.get_close_matches(self.code, CODES, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(CODES)}."
            raise UsageError(f"No finding has the code '{self.code}' that a waiver names.", hint)

    def to_json(self) -> dict[str, str]:
        """What `read_waivers` reads."""
        return asdict(self)


@dataclass(frozen=True)
class Waived:
    """A finding and the waiver that it met."""

    finding: Finding
    waiver: Waiver


def read_waivers(tables: Any) -> tuple[Waiver, ...]:
    """Read `[[waivers]]`; `UsageError` says what is missing, unknown, or no text."""
    if not isinstance(tables, list):
        raise UsageError("'waivers' must be a list of tables.", _EXAMPLE)
    waivers = tuple(_waiver(table) for table in tables)
    codes = [waiver.code for waiver in waivers]
    twice = next((code for code in codes if codes.count(code) > 1), None)
    if twice:
        raise UsageError(f"'{twice}' is waived twice.", "Write one [[waivers]] for each code.")
    return waivers


def _waiver(table: Any) -> Waiver:
    if not isinstance(table, Mapping):
        raise UsageError("'waivers' must be a list of tables.", _EXAMPLE)
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"A waiver has no '{key}'.", f"Known: {', '.join(_KEYS)}.")
    for key in _KEYS:
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise UsageError(f"A waiver has no text '{key}'.", _EXAMPLE)
    return Waiver(*(table[key].strip() for key in _KEYS))


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
