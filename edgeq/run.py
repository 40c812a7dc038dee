"""A run: what a bench planned, found and measured, with its raw samples; `run.json`, schema version 2.

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
from edgeq.host.paths import write_whole

SCHEMA = 2
"""2 added what a plan stops at, times of samples, `profile`, `energy` and `correctness`; schema 1 lacks them."""
HOW = ("measured", "emulated", "estimated")
VERDICTS = ("valid", "degraded", "invalid")
SEVERITIES = ("info", "degraded", "invalid")


@dataclass(frozen=True)
class Series:
    """Raw values of one quantity, in the order they were taken.

    Names used so far: `init`, `warm_load`, `first_inference`, `warmup`, `invoke`, `preprocess`, `postprocess`,
    `end_to_end` (unit `ns`, the device's own clock), `instructions` and, with that suffix, the first ones (unit
    `instructions`, where a device counts them and its clock tells no time), `rss_before`, `rss_load`, `rss_after`,
    `rss_peak`, `pss_before`, `pss_after`, `ram`, `arena`, `stack`, `static`, `flash` (unit `bytes`), `power` (unit
    `mw`, with `t_s`), `voltage` (unit `v`), `gate` (unit `s`: start and end of each window), `energy` (unit `uj`, per
    inference).

    `invoke` has as `t_s` when each began, in seconds since the bench did, where the device tells it. On that clock are
    the traces, too: `cpu_hz` (unit `hz`), `temperature` (unit `c`), `throttled` (unit `bits`), `other_load` (unit
    `cores`: what other programs took), `supply` (unit `v`). `clock` (unit `ns`) holds readings of the device's clock,
    `t_s` the host's monotonic clock then.
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
    """What was asked for. The bench ends with the first of `runs` samples, `seconds`, and a 95 % interval of the median
    within `rel_error` (a fraction) of it."""

    runs: int
    warmup: int
    threads: int
    seconds: float | None = None
    rel_error: float | None = None
    sustained: bool = False
    """Whether it was to last `seconds`, come what may."""
    delegate: str = ""
    """What executes the ops (`xnnpack`, `reference` ...); empty for what the bundle says."""
    end_to_end: bool = False
    """Whether preprocessing and postprocessing were timed, too."""


@dataclass(frozen=True)
class Run:
    """One bench of one release on one device.

    `device`: address, name, board, target, arch, cpu, os, python, runtime, runtime_version, emulated (bool), emulator.
    `release`: name, digest, n, target, mode, model_bytes, macs, golden {vectors, tolerance, worst},
    evaluation (or null; see docs/bundle.md), input_sha256 (of what the bench fed, as real values; null where the bundle
    does not tell), provenance and fit (`edgeq/kept.py`).
    `environment`: readings before and after the bench, e.g. governor, cpu_hz, temperature_c, load_1m, throttled.

    `profile`, per op: `unit` (`ns` or `instructions`), `how`, `source`, `runs`, `runtime`, `kernels`, `threads`,
    `clock_ns` (the resolution), `graph` (the main graph's name), `whole` (of one invoke, the median), `total` (of all
    ops), `between`, `notes`, `ops`, in order: `index` (absent where an op is not mapped to the model's), `op`, `name`,
    `kernel` (or delegate), `count`, `first`, `last`, `avg`, `mid` (the median: what to show), `min`, `max`, `std`,
    `share`, `macs`, `bytes`, `outputs`, `window` (size, stride, dilation, channels), `also`, `also_ops`; older runs
    lack `outputs`, `window`, `also_ops`.
    `energy`, where a meter watched: `tier` (T0 to T3), `meter`, `scope`, `accuracy` (the limits that were used, and
    whose they are), `gate` (how), `gate_s`, `pulses`, `idle` (how), `idle_mw`, `supply_v`, `samples`, `lost_samples`,
    `inferences`, `energy_uj` (null where the gate failed, and `problem` says why), `uncertainty_uj` (k = 2), `budget`
    (each part's standard uncertainty in uJ).
    `correctness`, where a labelled set went through the device: `data`, `samples`, `metric`, `value`, `low`, `high`,
    `reference` (the host's value), `agreement`, `identical` (fraction of outputs equal to the host's bit by bit),
    `preprocessed` (`device`, `host` or null), `resumed`; all of them in docs/accuracy.md.
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
    profile: Mapping[str, Any] | None = None
    energy: Mapping[str, Any] | None = None
    correctness: Mapping[str, Any] | None = None
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
        write_whole(path, json.dumps(self.to_json(), indent=1) + "\n")


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
        return run_from_json(data, path)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: the run is damaged: {error!r}.", "Bench again.") from error


def run_from_json(data: Mapping[str, Any], path: Path | None = None) -> Run:
    """What `Run.to_json` gives, of this schema or an older one; `KeyError`, `TypeError` or `ValueError` where it is
    damaged."""
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
        profile=_optional(data.get("profile")),
        energy=_optional(data.get("energy")),
        correctness=_optional(data.get("correctness")),
        path=path,
    )


def _optional(item: Any) -> dict[str, Any] | None:
    return None if item is None else dict(item)


def _issue(item: dict[str, Any]) -> Issue:
    issue = Issue(**item)
    if issue.severity not in SEVERITIES:
        raise ValueError(f"issue {issue.code!r} has the severity {issue.severity!r}")
    return issue


def _series(item: dict[str, Any]) -> Series:
    series = Series(
        **{**item, "values": tuple(map(float, item["values"])), "t_s": tuple(map(float, item.get("t_s", ())))}
    )
    if series.how not in HOW:
        raise ValueError(f"series {series.name!r} says it was obtained as {series.how!r}")
    if not all(map(math.isfinite, (*series.values, *series.t_s))):
        raise ValueError(f"series {series.name!r} holds NaN or infinity")
    return series
