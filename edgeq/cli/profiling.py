"""The command `profile`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeq.cli.base import app, command, console, open_address
from edgeq.errors import UsageError

if TYPE_CHECKING:
    from edgeq.project import DeviceEntry, Project
    from edgeq.run import Run

Document = dict[str, Any]
FORMS = ("benchmark_model", "model-explorer")
BUNDLE_HELP = "What was deployed where edgeq-micro runs it, which tells the ops of the model; the project's by default."


@command(app)
def profile(
    device: Annotated[
        str | None,
        typer.Argument(metavar="[DEVICE]", help="A device, or the run of a bench with --profile.", show_default=False),
    ] = None,
    runs: Annotated[int, typer.Option(help="Inferences; 0: 50 on Linux, 5 elsewhere.", min=0, max=10_000)] = 0,
    threads: Annotated[int, typer.Option(help="0: what the bundle says.", min=0, max=1024)] = 0,
    delegate: Annotated[
        str, typer.Option(help="What executes ops: xnnpack or builtin; the bundle's by default.", show_default=False)
    ] = "",
    top: Annotated[int, typer.Option(help="Only so many of the slowest ops.", min=0)] = 0,
    bundle: Annotated[Path | None, typer.Option(help=BUNDLE_HELP, show_default=False)] = None,
    export: Annotated[
        list[str] | None, typer.Option(help=f"Also as {' or '.join(FORMS)}; may be given twice.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder that exports go to.")] = Path(),
) -> None:
    """Show what each op of the serving model takes, and which kernel or delegate runs it.

    Example: edgeq profile ssh://pi@raspberrypi --top 10
    Example: edgeq profile local: --export model-explorer -o out
    """
    from edgeq.render.profile import profile_text

    _check(export or ())
    if device and (device.endswith(".json") or Path(device, "run.json").is_file()):
        name, model, found, run = _of_run(Path(device))
    else:
        name, model, found, run = _of_device(device, bundle, runs=runs, threads=threads, delegate=delegate)
    files = [str(path) for form in export or () for path in _write(form, found, model, run, output)]
    document = {"device": name, **model, **({"files": files} if files else {}), "profile": dict(found)}
    told = profile_text(found, f"{model['release']['name']} on {name}", top)
    console.result(document, "\n".join([told, *(f"Written: {file}" for file in files)]))


Found = tuple[str, Document, Mapping[str, Any], "Run | None"]


def _of_device(device: str | None, bundle: Path | None, **how: Any) -> Found:
    from edgeq.profile import profile as profile_device
    from edgeq.project import load_project

    project = load_project()
    entry = project.resolve(device)
    with open_address(entry.address) as opened:
        found = profile_device(
            opened,
            bundle=bundle,
            among=bundles_of(project, entry),
            progress=console.progress,
            **how,
        )
    release = {key: getattr(found.release, key) for key in ("n", "name", "digest")}
    return entry.name, {"release": release}, found.table, None


def bundles_of(project: Project, entry: DeviceEntry) -> list[Path]:
    """The bundles that may be what serves on a device."""
    built = sorted(path.parent for path in project.out.glob("*/manifest.json"))
    return [*([entry.bundle] if entry.bundle else []), *built]


def _of_run(path: Path) -> Found:
    from edgeq.results import run_file
    from edgeq.run import read_run

    run = read_run(run_file(path))
    if run.profile is None:
        raise UsageError(f"The run {path} has no profile.", "Take one with it: edgeq bench DEVICE --profile.")
    release = {key: run.release[key] for key in ("n", "name", "digest")}
    return str(run.device["name"]), {"release": release}, run.profile, run


def _check(forms: Any) -> None:
    wrong = next((form for form in forms if form not in FORMS), None)
    if wrong is not None:
        raise UsageError(f"Profiles are not exported as '{wrong}'.", f"Known are {', '.join(FORMS)}.")


def _write(form: str, found: Mapping[str, Any], model: Document, run: Run | None, folder: Path) -> list[Path]:
    from edgeq.export.benchmark_model import benchmark_result, profiling_data
    from edgeq.export.model_explorer import node_data

    name = model["release"]["name"]
    # It is what a device or a file says, and becomes the name of a file here.
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    if form == "model-explorer":
        return [_json(folder / f"{stem}.model-explorer.json", node_data(found))]
    written = [_json(folder / f"{stem}.profiling.json", profiling_data(found, name))]
    return written + ([_json(folder / f"{stem}.benchmark.json", benchmark_result(run))] if run else [])


def _json(path: Path, document: Document) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.", "Give another folder (-o).") from error
    return path
