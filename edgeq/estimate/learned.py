"""Tables of the user's own runs: which runs may be learned from, and where those that were are kept."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from edgeq.errors import EdgeqError, UsageError
from edgeq.estimate.table import Key, Measured, Size, Spent, Table, item_of
from edgeq.host.paths import home
from edgeq.model.window import WINDOWED, read_window
from edgeq.results import run_file
from edgeq.run import Run, read_run


class Found(NamedTuple):
    """The tables of a folder of runs, and why each of the others was left aside, by file name."""

    tables: tuple[Table, ...]
    aside: Mapping[str, str]


def kept_folder() -> Path:
    """Where runs lie that were learned from."""
    return home() / "estimate" / "runs"


def keep(path: Path) -> tuple[Key, Path]:
    """Keep what a run says of costs; the same run twice is kept once. `UsageError` where nothing can be learned."""
    run = read_run(run_file(path))
    why = unfit(run)
    if why:
        raise UsageError(f"Nothing can be learned from {path}: {why}.", "edgeq bench DEVICE --profile -o run.json")
    key, _ = measured_of(run)
    spare = replace(run, series=())
    digest = hashlib.sha256(repr(spare.to_json()).encode()).hexdigest()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{run.release['name']}-{key.target}")
    place = kept_folder() / f"{name}-{digest[:12]}.json"
    spare.write(place)
    return key, place


def tables_in(folder: Path | None = None) -> Found:
    """The tables that the runs of a folder make, the kept ones by default; what is no run is passed over."""
    if folder is not None and not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Give the folder that holds run.json files.")
    found: dict[Key, list[Measured]] = {}
    aside: dict[str, str] = {}
    place = folder or kept_folder()
    # A bench that nobody gave a place is a folder of its own (`edgeq.results`).
    for path in sorted([*place.glob("*.json"), *place.glob("*/run.json")]):
        name = path.relative_to(place).as_posix()
        try:
            run = read_run(path)
        except EdgeqError as error:
            aside[name] = error.message
            continue
        why = unfit(run)
        if why:
            aside[name] = why
            continue
        key, measured = measured_of(run)
        found.setdefault(key, []).append(measured)
    return Found(tuple(_table(key, same) for key, same in found.items()), aside)


def _table(key: Key, measured: Sequence[Measured]) -> Table:
    kernels = () if key.kernels == key.runtime else (key.kernels,)
    parts = ("own", key.target, _short(key.cpu), key.runtime, key.version, *kernels, f"t{key.threads}", key.mode)
    name = "/".join(parts)
    runs = f"{len(measured)} run{'s' * (len(measured) != 1)}"
    devices = ", ".join(sorted({one.source for one in measured}))
    source = f"{runs} of your own on {devices}"
    return Table(name if key.unit == "ns" else f"{name}/{key.unit}", key, tuple(measured), source, own=True)


def _short(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "cpu"


def unfit(run: Run) -> str:
    """Why a run teaches nothing; empty where it does."""
    if run.profile is None:
        return "it has no profile of its ops"
    try:
        return _unfit(run, run.profile)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"its profile is damaged ({error!r})"


def _unfit(run: Run, profile: Mapping[str, Any]) -> str:
    if run.verdict == "invalid":
        return f"it is invalid ({_codes(run, 'invalid')})"
    if profile["unit"] == "ns" and profile["how"] != "measured":
        return "its times are an emulator's, which are no board's"
    if profile["unit"] == "ns" and run.verdict == "degraded":
        return f"it is degraded ({_codes(run, 'degraded')})"
    if not profile["ops"] or any(op.get("index") is None for op in profile["ops"]):
        return "its profile does not say which ops of the model took how long"
    if any(op.get("macs") is None or op.get("bytes") is None for op in profile["ops"]):
        return "its profile lacks the sizes of ops"
    if not profile["whole"] > 0:
        return "its inferences took no time"
    took = [_spent(op).took for op in profile["ops"]]
    return "" if all(math.isfinite(value) and value >= 0 for value in took) else "an op took less than no time"


def _codes(run: Run, severity: str) -> str:
    return ", ".join(issue.code for issue in run.issues if issue.severity == severity)


def measured_of(run: Run) -> tuple[Key, Measured]:
    """What a run that is not `unfit` says, and of which kind of device."""
    profile: Mapping[str, Any] = run.profile or {}
    device, release = run.device, run.release
    key = Key(
        target=str(release["target"]),
        cpu=str(device.get("cpu") or device.get("arch") or ""),
        runtime=str(device["runtime"]),
        version=str(device["runtime_version"]),
        kernels=str(profile.get("kernels") or device["runtime"]),
        threads=int(profile.get("threads") or run.plan.threads),
        mode=str(release["mode"]),
        unit=str(profile["unit"]),
    )
    spent = tuple(map(_spent, profile["ops"]))
    macs = sum(size.macs for one in spent for size in one.sizes)
    coarse = float(profile.get("clock_ns", 0))
    return key, Measured(str(release["name"]), macs, float(profile["whole"]), spent, coarse, str(device["name"]))


def _spent(op: Mapping[str, Any]) -> Spent:
    """One row of a profile; older ones tell neither their outputs nor their filters."""
    took = float(op["mid"] if "mid" in op else op["avg"])
    if "outputs" not in op or (op["op"] in WINDOWED and "window" not in op):
        return Spent(op["op"], (Size(op["macs"], op["bytes"]),), took)
    also = op.get("also_ops") or ()
    item = item_of(op["op"], op["macs"], op["bytes"], op["outputs"], read_window(op.get("window")), also)
    return Spent(item.op, (item.size,), took, item.variant)
