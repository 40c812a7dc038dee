"""A run as a folder: `run.json`, every raw value in `samples.csv`, and `manifest.json`, which is written last.

Where the manifest is, everything is: a folder without it is of a bench that was interrupted while it wrote.
"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from edgeq.errors import ArtifactError
from edgeq.host.paths import write_whole
from edgeq.run import Run

RUN, SAMPLES, MANIFEST = "run.json", "samples.csv", "manifest.json"
KIND, SCHEMA = "edgeq-result", 1


def publish(run: Run, path: Path) -> None:
    """Write the folder of `path`, which is its `run.json`."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)  # What is written over is not complete any more.
    _write_samples(run, folder / SAMPLES)
    run.write(folder / RUN)
    files = {name: _entry(folder / name) for name in (RUN, SAMPLES)}
    write_whole(folder / MANIFEST, json.dumps({"kind": KIND, "schema": SCHEMA, "files": files}, indent=1) + "\n")


def run_file(path: Path) -> Path:
    """The `run.json` of a folder, or the file itself; `ArtifactError` where a folder is incomplete or was changed."""
    if not path.is_dir():
        return path
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, Any] = {RUN: manifest["files"][RUN], **manifest["files"]}
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{path}: the run is incomplete: it has no {MANIFEST}, which is written last.",
            f"Bench again; {path / RUN}, if it is there, can be read by its own name.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path / MANIFEST}: cannot be read: {error!r}.", "Bench again.") from error
    for name, entry in files.items():
        if Path(name).name != name or not (path / name).is_file() or _entry(path / name) != entry:
            raise ArtifactError(
                f"{path / name}: is not what {MANIFEST} says.", "Take the folder from where it was made."
            )
    return path / RUN


def complete(path: Path) -> bool:
    """Whether the folder of this `run.json` was written to its end."""
    return (path.parent / MANIFEST).is_file()


def _entry(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _write_samples(run: Run, path: Path) -> None:
    """One line for each value of every series; `t_s` is empty where no time is known."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("series", "unit", "how", "index", "t_s", "value"))
        for series in run.series:
            times = series.t_s if len(series.t_s) == len(series.values) else ("",) * len(series.values)
            for index, (time, value) in enumerate(zip(times, series.values, strict=True)):
                rows.writerow((series.name, series.unit, series.how, index, time, f"{value:.17g}"))
