"""A run: what a bench planned, found and measured, with its raw samples; `run.json`, schema version 1.

Statistics are derived from the raw series later. Every series says how it was obtained:
`measured` on the device's hardware, `emulated`, or `estimated` (then with its error in percent and its source).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgeq.errors import ArtifactError

SCHEMA = 1
HOW = ("measured", "emulated", "estimated")
VERDICTS = ("valid", "degraded", "invalid")
SEVERITIES = ("info", "degraded", "invalid")


@dataclass(frozen=True)
class Series:
    """Raw values of one quantity, in the order they were taken.

    Names used so far: `init`, `first_inference`, `warmup`, `invoke` (unit `ns`, the device's own clock),
    `instructions` and, with that suffix, the three before (unit `instructions`, where a device counts them and its
    clock tells no time), `rss_peak`, `rss_load`, `ram`, `arena`, `stack`, `static` (unit `bytes`),
    `power` (unit `mw`, with `t_s`), `energy` (unit `uj`, per inference).
    """

    name: str
    unit: str
    how: str
    values: tuple[float, ...]
    t_s: tuple[float, ...] = ()
    """Time of each value on the probe's clock, in seconds; empty where order is all that matters."""
    error_pct: float | None = None
    """Relative error in percent; always given for `estimated`."""
    source: str = ""
    """Where the figure comes from: the probe, the profile's citation, the meter's file."""


@dataclass(frozen=True)
class Issue:
    """One reason why a run is not simply valid. `severity`: info, degraded or invalid."""

    code: str
    severity: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    runs: int
    warmup: int
    threads: int


@dataclass(frozen=True)
class Run:
    """One bench of one release on one device.

    `device`: address, name, board, target, arch, cpu, os, python, runtime, runtime_version, emulated (bool), emulator.
    `release`: name, digest, n, target, mode, model_bytes, macs, golden {vectors, tolerance, worst},
    evaluation (or null; see docs/bundle.md).
    `environment`: readings before and after the bench, e.g. governor, cpu_hz, temperature_c, load_1m, throttled.
    """

    created: str
    """UTC, ISO 8601; for people only, nothing is ordered by it."""
    edgeq: str
    device: Mapping[str, Any]
    release: Mapping[str, Any]
    plan: Plan
    environment: Mapping[str, Any]
    series: tuple[Series, ...]
    verdict: str = "valid"
    issues: tuple[Issue, ...] = ()
    path: Path | None = field(default=None, compare=False)

    def one(self, name: str) -> Series | None:
        """The series called `name`, or None."""
        return next((series for series in self.series if series.name == name), None)

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data.pop("path")
        return {"schema": SCHEMA, "kind": "edgeq-run", **data}

    def write(self, path: Path) -> None:
        """Write `run.json` whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        part.replace(path)


def read_run(path: Path) -> Run:
    """Read one `run.json`; `ArtifactError` names what is wrong with it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ArtifactError(f"{path}: cannot be read as a run: {error}.", "'edgeq bench' writes runs.") from error
    if not isinstance(data, dict) or data.get("kind") != "edgeq-run":
        raise ArtifactError(f"{path}: this is not a run.", "'edgeq bench' writes runs.")
    try:
        if int(data["schema"]) > SCHEMA:
            newer = f"{path}: schema {data['schema']} is newer than this edgeq's ({SCHEMA})."
            raise ArtifactError(newer, "Upgrade edgeq.")
        if data["verdict"] not in VERDICTS:
            raise ValueError(f"the verdict is {data['verdict']!r}")
        return Run(
            created=data["created"],
            edgeq=data["edgeq"],
            device=dict(data["device"]),
            release=dict(data["release"]),
            plan=Plan(**data["plan"]),
            environment=dict(data["environment"]),
            series=tuple(_series(item) for item in data["series"]),
            verdict=data["verdict"],
            issues=tuple(_issue(item) for item in data["issues"]),
            path=path,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: the run is damaged: {error!r}.", "Bench again.") from error


def _issue(item: dict[str, Any]) -> Issue:
    issue = Issue(**item)
    if issue.severity not in SEVERITIES:
        raise ValueError(f"issue {issue.code!r} has the severity {issue.severity!r}")
    return issue


def _series(item: dict[str, Any]) -> Series:
    series = Series(**{**item, "values": tuple(map(float, item["values"])), "t_s": tuple(map(float, item["t_s"]))})
    if series.how not in HOW:
        raise ValueError(f"series {series.name!r} says it was obtained as {series.how!r}")
    if not all(map(math.isfinite, (*series.values, *series.t_s))):
        raise ValueError(f"series {series.name!r} holds NaN or infinity")
    return series
