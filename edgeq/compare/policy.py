"""The policy of a comparison: which figures count, how much worse each may get, what happens without data.

A policy is a TOML file; without one, `DEFAULT` is read, by the same reader.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.compare.metrics import METRICS, Metric
from edgeq.compare.objections import check_waivable
from edgeq.errors import UsageError
from edgeq.waiver import Waiver, read_waivers

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ANSWERS = ("fail", "warn", "ignore")
DIRECTIONS = ("lower", "higher")
UNITS: Mapping[str, Mapping[str, float]] = {
    "ns": {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9},
    "bytes": {"B": 1, "bytes": 1, "kB": 1e3, "KiB": 1024, "MB": 1e6, "MiB": 1024**2},
    "uj": {"uJ": 1, "mJ": 1e3, "J": 1e6},
    "fraction": {"points": 0.01, "fraction": 1},
    "instructions": {"instructions": 1},
}
"""Base unit of a metric -> the units in which a policy may write it, and how much of the base unit each is."""

DEFAULT = """\
# The policy of 'edgeq compare' where none is given. To change it: edgeq compare --show-policy > policy.toml

confidence = 0.95   # of every interval
missing = "ignore"  # a figure that one side lacks: fail, warn or ignore
unsure = "warn"     # not enough samples to tell: fail, warn or ignore

[metrics.p50]
direction = "lower"  # what is better
max_regression = "5%"  # or a difference, such as "0.2 ms"
margin = "1%"        # differences within it are none: benches of the same release differ by as much
missing = "warn"

[metrics.p90]
max_regression = "10%"
margin = "2%"
unsure = "ignore"

[metrics.p99]
max_regression = "25%"
margin = "5%"
unsure = "ignore"

[metrics.init]
max_regression = "25%"
margin = "5%"
unsure = "ignore"    # one value a run: give at least six runs a side

[metrics.first_inference]
max_regression = "25%"
margin = "5%"
unsure = "ignore"

[metrics.instructions]
max_regression = "1%"
margin = "0%"

[metrics.rss_peak]
max_regression = "10%"
margin = "2%"

[metrics.arena]
max_regression = "0 B"

[metrics.stack]
max_regression = "64 B"

[metrics.flash]
max_regression = "5%"

[metrics.model_bytes]
max_regression = "5%"

[metrics.energy]
max_regression = "10%"
margin = "2%"

[metrics.accuracy]
direction = "higher"
unit = "points"
max_regression = "0.5 points"
missing = "warn"
"""

_KEYS = ("confidence", "missing", "unsure", "metrics", "waivers")
_METRIC_KEYS = ("direction", "unit", "max_regression", "margin", "missing", "unsure")
_WAIVER = 'Write code = "degraded_run", by = "Ada", reason = "the fan is broken" below [[waivers]].'
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z%]*)\s*")


@dataclass(frozen=True)
class Limit:
    """A difference: a fraction of the base where it is `relative`, else in the metric's base unit. `text` is as it was
    written."""

    value: float
    relative: bool
    text: str

    def of(self, base: float, relative: bool) -> float:
        """The limit as a fraction of `base`, or in its unit."""
        if relative == self.relative:
            return self.value
        return self.value / abs(base) if relative else self.value * abs(base)


@dataclass(frozen=True)
class Rule:
    """What the policy says of one metric. `unit` is the one figures are told in; empty for what suits."""

    metric: Metric
    direction: str
    unit: str
    max_regression: Limit
    margin: Limit
    missing: str
    unsure: str


@dataclass(frozen=True)
class Policy:
    """`name` says where it comes from: a path, or `default`."""

    name: str
    confidence: float
    rules: tuple[Rule, ...]
    waivers: tuple[Waiver, ...] = ()


def default_policy() -> Policy:
    """What holds where no policy is given."""
    return parse_policy(DEFAULT, "default")


def read_policy(path: Path) -> Policy:
    """One policy file; `UsageError` names the file and the key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}.", "'edgeq compare --show-policy' prints one.") from error
    return parse_policy(text, str(path))


def parse_policy(text: str, where: str) -> Policy:
    """A policy from its text; `where` is named in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{where}: cannot be read as TOML: {error}.", "'edgeq compare --show-policy' prints one."
        ) from error
    _known(where, "", data, _KEYS)
    tables = data.get("metrics")
    if not isinstance(tables, dict) or not tables:
        raise UsageError(f"{where}: it names no metrics.", 'Write [metrics.p50] and, below it, max_regression = "5%".')
    _known(where, "metrics.", tables, tuple(METRICS))
    shared = {key: _one_of(where, key, data.get(key, usual), ANSWERS) for key, usual in _USUAL.items()}
    return Policy(
        name=where,
        confidence=_confidence(where, data.get("confidence", 0.95)),
        rules=tuple(_rule(where, name, table, shared) for name, table in tables.items()),
        waivers=_waivers(where, data.get("waivers", [])),
    )


_USUAL = {"missing": "ignore", "unsure": "warn"}


def _rule(where: str, name: str, table: Any, shared: Mapping[str, str]) -> Rule:
    key, metric = f"metrics.{name}", METRICS[name]
    if not isinstance(table, dict):
        raise UsageError(f"{where}: '{key}' must be a table.", f"Write [{key}] and its keys below it.")
    _known(where, f"{key}.", table, _METRIC_KEYS)
    if "max_regression" not in table:
        raise UsageError(f"{where}: '{key}' has no max_regression.", 'For example: max_regression = "5%"')
    units = UNITS[metric.unit]
    unit = _one_of(where, f"{key}.unit", table["unit"], tuple(units)) if "unit" in table else ""
    worst = _limit(where, f"{key}.max_regression", table["max_regression"], units, unit)
    return Rule(
        metric=metric,
        direction=_one_of(where, f"{key}.direction", table.get("direction", metric.direction), DIRECTIONS),
        unit=unit,
        max_regression=worst,
        margin=_limit(where, f"{key}.margin", table["margin"], units, unit) if "margin" in table else worst,
        missing=_one_of(where, f"{key}.missing", table.get("missing", shared["missing"]), ANSWERS),
        unsure=_one_of(where, f"{key}.unsure", table.get("unsure", shared["unsure"]), ANSWERS),
    )


def _limit(where: str, key: str, value: Any, units: Mapping[str, float], unit: str) -> Limit:
    """`"5%"`, `"0.2 ms"`, or a number in the metric's unit."""
    examples = f'For example: "5%" or "0.2 {unit or list(units)[-1]}"'
    if isinstance(value, (int, float)) and not isinstance(value, bool) and unit and value >= 0:
        return Limit(value * units[unit], False, f"{value:g} {unit}")
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise UsageError(f"{where}: '{key}' must be a difference that is not negative; it says {value!r}.", examples)
    number, said = float(found[1]), found[2]
    if said == "%":
        return Limit(number / 100, True, f"{number:g} %")
    if said not in units:
        known = ", ".join(("%", *units))
        raise UsageError(f"{where}: '{key}' says {value!r}, and '{said}' is none of its units ({known}).", examples)
    return Limit(number * units[said], False, f"{number:g} {said}")


def _confidence(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.5 <= value < 1:
        raise UsageError(
            f"{where}: 'confidence' must be a number from 0.5 to below 1; it says {value!r}.", "confidence = 0.95"
        )
    return float(value)


def _waivers(where: str, tables: Any) -> tuple[Waiver, ...]:
    try:
        return read_waivers(tables, check_waivable, _WAIVER)
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from error


def _one_of(where: str, key: str, value: Any, known: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in known:
        near = difflib.get_close_matches(str(value), known, 1)
        hint = f"Did you mean '{near[0]}'?" if near else f'For example: {key.rpartition(".")[2]} = "{known[0]}"'
        raise UsageError(f"{where}: '{key}' must be {' or '.join(known)}; it says {value!r}.", hint)
    return value


def _known(where: str, prefix: str, table: Mapping[str, Any], keys: Sequence[str]) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"Did you mean '{prefix}{near[0]}'?" if near else f"Known: {', '.join(keys)}."
            raise UsageError(f"{where}: unknown key '{prefix}{key}'.", hint)
