"""A baseline: what a comparison needs of runs, in a file that is small enough for git.

The same runs give the same bytes. Samples are kept as they were taken, in their order, up to `MOST` a series; of more,
one of each group of successive ones is kept, drawn by the digest of all. Intervals against a baseline are then as wide
as `MOST` samples make them, never too narrow. Addresses and names of devices are left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import edgeq
from edgeq.compare.metrics import METRICS
from edgeq.errors import ArtifactError, UsageError
from edgeq.host.paths import write_whole
from edgeq.results import run_file
from edgeq.run import Run, Series, read_run, run_from_json

SCHEMA = 1
KIND = "edgeq-baseline"
MOST = 1000
_DEVICE = ("board", "arch", "cpu", "cores", "emulated", "emulator", "runtime", "runtime_version")
_RELEASE = ("name", "digest", "target", "mode", "model_bytes", "macs", "input_sha256")
_PROVENANCE = ("float_sha256", "preprocess_sha256", "kernels", "ops")
_EVALUATION = ("title", "unit", "better", "value", "accuracy", "samples", "evaluated_on", "data_sha256")
_ENERGY = ("tier", "scope", "gate", "supply_v", "energy_uj", "uncertainty_uj")
_SUPPLY = ("voltage", "supply")
_KEPT = frozenset({metric.series for metric in METRICS.values() if metric.series} | set(_SUPPLY))
_NUMBERS = re.compile(r"\[\n\s+([-+\d.,eE\s]+?)\n\s*\]")


def read_side(paths: Sequence[Path]) -> tuple[Run, ...]:
    """The runs of one side: files of runs, folders of benches, or baselines."""
    return tuple(run for path in paths for run in _read(run_file(path)))


def write_baseline(path: Path, runs: Sequence[Run]) -> None:
    """Write a baseline whole or not at all; `UsageError` where it cannot be written."""
    try:
        write_whole(path, render(runs))
    except OSError as error:
        raise UsageError(f"The baseline cannot be written to {path}: {error.strerror}.", "Choose another.") from error


def render(runs: Sequence[Run]) -> str:
    """A baseline as text; the values of a series stand on one line."""
    document = {"kind": KIND, "schema": SCHEMA, "edgeq": edgeq.__version__, "runs": [_reduced(run) for run in runs]}
    text = json.dumps(document, indent=1, sort_keys=True)
    return _NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", text) + "\n"


def _read(path: Path) -> tuple[Run, ...]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError):
        return (read_run(path),)
    if not isinstance(data, dict) or data.get("kind") != KIND:
        return (read_run(path),)
    try:
        if int(data["schema"]) > SCHEMA:
            newer = f"{path}: schema {data['schema']} is newer than this edgeq's ({SCHEMA})."
            raise ArtifactError(newer, "Upgrade edgeq.")
        runs = tuple(run_from_json(item, path) for item in data["runs"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path}: the baseline is damaged: {error!r}.", "Save it again: --save-baseline."
        ) from error
    if not runs:
        raise ArtifactError(f"{path}: the baseline holds no runs.", "Save it again: --save-baseline.")
    return runs


def _reduced(run: Run) -> dict[str, Any]:
    release = _only(run.release, _RELEASE)
    if run.release.get("evaluation"):
        release["evaluation"] = _only(run.release["evaluation"], _EVALUATION)
    if run.release.get("provenance"):
        release["provenance"] = _only(run.release["provenance"], _PROVENANCE)
    before = run.environment.get("before") or {}
    return {
        "created": run.created,
        "edgeq": run.edgeq,
        "device": _only(run.device, _DEVICE),
        "release": release,
        "plan": asdict(run.plan),
        "environment": {"before": _only(before, ("governor",))},
        "series": [_thinned(series) for series in run.series if series.name in _KEPT],
        "verdict": run.verdict,
        "issues": [asdict(issue) for issue in run.issues if issue.severity != "info"],
        "energy": run.energy and _only(run.energy, _ENERGY),
        "correctness": run.correctness and _only(run.correctness, _correctness(run.correctness)),
        "samples": {series.name: len(series.values) for series in run.series if len(series.values) > MOST},
        "samples_sha256": _digest([series for series in run.series if series.name in _KEPT]),
    }


def _correctness(found: Mapping[str, Any]) -> Sequence[str]:
    """What is kept of it; where the labelled set lay only if nothing else tells it."""
    return ("data_sha256" if found.get("data_sha256") else "data", "samples", "metric", "value", "preprocessed")


def _only(table: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


def _thinned(series: Series) -> dict[str, Any]:
    values = np.asarray(series.values)
    if values.size > MOST:
        edges = np.linspace(0, values.size, MOST + 1).astype(int)
        seed = int(_digest([series])[:16], 16)
        values = values[np.random.default_rng(seed).integers(edges[:-1], edges[1:])]
    kept = [int(value) if value == int(value) else value for value in map(float, values)]
    return {**asdict(series), "values": kept, "t_s": []}


def _digest(series: Sequence[Series]) -> str:
    found = hashlib.sha256()
    for each in series:
        found.update(each.name.encode() + b"\0" + np.asarray(each.values, "<f8").tobytes())
    return found.hexdigest()
