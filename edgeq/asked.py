"""What an evaluation is asked for: the table `[evaluation]` of `edgeq.toml`, or the options of `edgeq evaluate`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgeq.errors import UsageError

LABEL = "label"
"""The slices that there are without any column: one for each class."""
LEAST = 20
SUITE = ("suite",)
"""Every corruption for the kind of data that there is."""
_KEYS = {
    "metric": 'metric = "f1"',
    "slices": 'slices = ["label", "speaker"]',
    "group": 'group = "clip"',
    "least": "least = 20",
    "max_drop": "max_drop = 1.0",
    "max_slice_drop": "max_slice_drop = 5.0",
    "corruptions": 'corruptions = true, or ["noise", "blur"]',
    "out_of_distribution": 'out_of_distribution = "other.npz"',
}


@dataclass(frozen=True)
class Asked:
    """`metric` is empty where the one that suits shall be taken. `slices` are columns, or `LABEL`. Rows with one text
    in the column `group` are one sample, whose outputs are averaged. A slice of fewer than `least` samples is told and
    not judged. Gates are in points of a metric that is a fraction, else in its unit. `out_of_distribution` is data."""

    metric: str = ""
    slices: tuple[str, ...] = (LABEL,)
    group: str = ""
    least: int = LEAST
    max_drop: float | None = None
    max_slice_drop: float | None = None
    corruptions: tuple[str, ...] = ()
    out_of_distribution: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """What is needed beside the samples."""
        wanted = (*self.slices, *([self.group] if self.group else []))
        return tuple(dict.fromkeys(name for name in wanted if name != LABEL))

    def to_json(self) -> dict[str, Any]:
        """What decides the figures of a build's evaluation, for its document: gates and what only `edgeq evaluate` does
        are left out."""
        return {"metric": self.metric, "slices": list(self.slices), "group": self.group, "least": self.least}

    @classmethod
    def from_json(cls, found: Mapping[str, Any] | None) -> Asked:
        """The reverse; what suits where there is nothing."""
        return read_asked(found or {}, "the evaluation")

    def merged(self, **given: Any) -> Asked:
        """With those of `given` that are not None."""
        return replace(self, **{key: value for key, value in given.items() if value is not None})


def read_asked(table: Mapping[str, Any], where: str) -> Asked:
    """The table as it was written; `UsageError` names `where` and the key."""
    for key in table:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(_KEYS)}."
            raise UsageError(f"{where}: unknown key 'evaluation.{key}'.", hint)
    return Asked(
        metric=_text(table, where, "metric"),
        slices=_texts(table, where, "slices", (LABEL,)),
        group=_text(table, where, "group"),
        least=int(_number(table, where, "least", LEAST) or LEAST),
        max_drop=_number(table, where, "max_drop"),
        max_slice_drop=_number(table, where, "max_slice_drop"),
        corruptions=_corruptions(table, where),
        out_of_distribution=_text(table, where, "out_of_distribution"),
    )


def _wrong(where: str, key: str, what: str, value: Any) -> UsageError:
    return UsageError(f"{where}: 'evaluation.{key}' must be {what}; it says {value!r}.", f"For example: {_KEYS[key]}")


def _text(table: Mapping[str, Any], where: str, key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise _wrong(where, key, "a text", value)
    return value


def _texts(table: Mapping[str, Any], where: str, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = table.get(key, list(default))
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise _wrong(where, key, "a list of texts", value)
    return tuple(value)


def _number(table: Mapping[str, Any], where: str, key: str, default: float | None = None) -> float | None:
    value = table.get(key, default)
    if value is None:
        return None
    whole = key == "least"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < whole:
        raise _wrong(where, key, "a whole number from 1 on" if whole else "a number that is not negative", value)
    return float(value)


def _corruptions(table: Mapping[str, Any], where: str) -> tuple[str, ...]:
    value = table.get("corruptions", False)
    if isinstance(value, bool):
        return SUITE if value else ()
    return _texts(table, where, "corruptions", ())
