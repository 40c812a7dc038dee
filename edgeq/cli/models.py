"""Commands about targets and models, before any device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgeq.cli.base import app, command, console, declared
from edgeq.errors import UsageError


@command(app)
def targets(
    name: Annotated[
        str | None, typer.Argument(help="One target; all of them if left out; 'new' makes one.", show_default=False)
    ] = None,
    new: Annotated[
        str | None, typer.Argument(metavar="[NEW]", help="After 'new': its name.", show_default=False)
    ] = None,
    like: Annotated[str | None, typer.Option(help="After 'new': the target to begin from.")] = None,
    folder: Annotated[Path, typer.Option("--output-dir", "-o", help="After 'new': where it goes.")] = Path("targets"),
) -> None:
    """List the target profiles, show one with its sources, or begin a new one as a copy.

    Example: edgeq targets rpi4
    Example: edgeq targets new my-board --like nucleo-l4r5zi
    """
    from dataclasses import asdict

    from edgeq.cli.telling import tell_targets
    from edgeq.target import load_target, new_target

    if name != "new" and (new or like):
        raise UsageError(f"'{new or '--like'}' goes with 'edgeq targets new' only.", "edgeq targets new X --like rpi4")
    if name == "new":
        if not new or not like:
            raise UsageError(
                "A new target needs its name and the one to begin from.", "edgeq targets new X --like rpi4"
            )
        path = new_target(new, like, folder)
        console.result({"file": str(path)}, f"{path} is a copy of {like}. Check every figure in it, then its sources.")
    elif name:
        profile = load_target(name)
        console.result(asdict(profile), profile.path.read_text(encoding="utf-8").rstrip())
    else:
        console.result(*tell_targets())


@command(app)
def check(
    model: Annotated[Path | None, typer.Argument(help="A model, as for 'edgeq build'.", show_default=False)] = None,
    target: Annotated[list[str] | None, typer.Option("--target", "-t", help="May be given several times.")] = None,
    all_targets: Annotated[bool, typer.Option("--all-targets", help="A verdict for every target.")] = False,
    mode: Annotated[str | None, typer.Option(help="As for 'edgeq build'; by default static_wi8_ai8.")] = None,
) -> None:
    """Say whether a model fits a target, what it takes there and what would make it fit; exit code 3 where it does not.

    Example: edgeq check model.keras --target nucleo-l4r5zi
    Example: edgeq check model.tflite --all-targets
    """
    from edgeq.candidate import candidate
    from edgeq.check import check as check_model
    from edgeq.check import check_all, with_alternatives
    from edgeq.cli.telling import tell_checked, tell_matrix
    from edgeq.errors import FitError
    from edgeq.project import load_project
    from edgeq.target import all_targets as every
    from edgeq.target import load_target

    project = load_project()
    path = _needed(
        model or project.model, "No model was given.", "Name a .keras, .h5 or .tflite file, or a SavedModel."
    )
    names = target or project.targets
    if not names and not all_targets:
        raise UsageError("There is no target to check for.", "Give --target or --all-targets; see 'edgeq targets'.")
    found = candidate(path, mode or project.mode, console.progress, project.preprocess)
    known = list(every())
    if all_targets:
        console.result(*tell_matrix(check_all(found, known)))
        return
    checked = [with_alternatives(check_model(found, load_target(name)), found, known) for name in names]
    console.result(*tell_checked(checked))
    if not all(each.fits for each in checked):
        raise typer.Exit(FitError.exit_code)


@command(app)
def build(
    model: Annotated[
        Path | None, typer.Argument(help=".keras, .h5, .tflite or a SavedModel folder.", show_default=False)
    ] = None,
    target: Annotated[list[str] | None, typer.Option("--target", "-t", help="May be given several times.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Representative samples: a file, a folder or module:function (docs/data.md).")
    ] = None,
    eval_data: Annotated[str | None, typer.Option("--eval", help="Labelled samples, likewise.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Names of the classes, one a line.")] = None,
    mode: Annotated[
        str | None, typer.Option(help="static_wi8_ai8, static_wi8_ai16, dynamic_wi8_afp32, float16, float32, ...")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe's file (docs/quantization.md), instead of --mode.", show_default=False)
    ] = None,
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One scale for all of a layer's weights.")] = False,
    io: Annotated[str, typer.Option(help="Type of inputs and outputs: auto, int8, int16 or float32.")] = "auto",
    samples: Annotated[int | None, typer.Option(help="Calibration samples to use.", min=1)] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-accuracy-drop",
            help="Search for the smallest and fastest recipe that loses no more points than this on --eval.",
            min=0,
            max=100,
        ),
    ] = None,
    prefer: Annotated[str, typer.Option(help="Of a search: size, speed, or both.")] = "both",
    minutes: Annotated[float, typer.Option("--search-minutes", help="No trial is begun after that.", min=0.1)] = 10,
    jobs: Annotated[int, typer.Option("--jobs", help="Trials at once.", min=1, max=256)] = 2,
    scheduler: Annotated[str, typer.Option(help="Run trials on Dask: tcp://host:port.")] = "",
    measure: Annotated[str, typer.Option(help="Of a search: a device that measures the best candidates.")] = "",
    out: Annotated[Path | None, typer.Option("--output-dir", "-o", help="Where bundles go.")] = None,
) -> None:
    """Convert a model, by default to full int8, check it against a target, evaluate it and write a bundle.

    Example: edgeq build model.keras --target rpi4 --data calibration.npz --eval test.npz
    Example: edgeq build model.keras --target rpi4 --data calibration.npz --eval test.npz --max-accuracy-drop 0.5
    """
    from dataclasses import replace

    from edgeq.build import build as build_bundles
    from edgeq.cli.telling import tell_built
    from edgeq.project import load_project
    from edgeq.target import load_target

    project = load_project()
    wanted = [load_target(name) for name in target or project.targets]
    if max_drop is not None:
        from edgeq.cli.searching import search_and_tell

        asked = {"--mode": mode, "--recipe": recipe, "--per-tensor": per_tensor}
        if given := [name for name, value in asked.items() if value]:
            raise UsageError(f"A search chooses the recipe itself; {given[0]} was given.", f"Leave {given[0]} out.")
        search_and_tell(
            project,
            wanted,
            {"model": model, "data": data, "eval_data": eval_data, "labels": labels, "samples": samples, "out": out},
            {"floor": max_drop, "prefer": prefer, "minutes": minutes, "jobs": jobs, "scheduler": scheduler, "io": io},
            measure,
        )
        return
    asked_for = _recipe(mode, per_tensor, io, recipe)
    built = build_bundles(
        _needed(
            model or project.model, "No model was given.", "Name a .keras, .h5 or .tflite file or a SavedModel folder."
        ),
        wanted,
        data=data or project.data,
        eval_data=eval_data or project.eval,
        declared=replace(declared(project, labels), recipe_file=recipe if asked_for else project.recipe),
        recipe=asked_for or _recipe(project.mode, False, "auto", project.recipe),
        samples=samples,
        folder=project.root,
        out=out or project.out,
        name=project.name or None if model is None else None,
        progress=console.progress,
    )
    console.result(*tell_built(built))


def _recipe(mode: str | None, per_tensor: bool, io: str, file: Path | None) -> Any:
    """What was asked for; None where nothing was, so that a model that is quantized already is taken as it is."""
    from edgeq.quantize.recipe import Recipe
    from edgeq.quantize.recipe_file import read_recipe

    plain = not mode and not per_tensor and io == "auto"
    if file and not plain:
        raise UsageError("A recipe's file says everything.", "Leave --mode, --per-tensor and --io out.")
    if file:
        return read_recipe(file)
    return None if plain else Recipe(mode or "static_wi8_ai8", "tensor" if per_tensor else "channel", io)


def _needed(path: Path | None, message: str, hint: str) -> Path:
    if path is None:
        raise UsageError(message, hint)
    return path
