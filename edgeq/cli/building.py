"""The command `build`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeq.cli.base import Given, app, command, console, needed
from edgeq.errors import UsageError

if TYPE_CHECKING:
    from edgeq.building.materials import Declared
    from edgeq.project import Project
    from edgeq.quantize.recipe import Recipe


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
    repair: Annotated[
        bool, typer.Option("--repair", help="Take the ranges and repairs that measure better on held-back data.")
    ] = False,
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
    security_version: Annotated[
        int | None,
        typer.Option(help="Devices refuse builds of a lower one after this.", min=0, max=(1 << 32) - 1),
    ] = None,
    out: Annotated[Path | None, typer.Option("--output-dir", "-o", help="Where bundles go.")] = None,
) -> None:
    """Convert a model, by default to full int8, check it against a target, evaluate it and write a bundle.

    Example: edgeq build model.keras --target rpi4 --data calibration.npz --eval test.npz
    Example: edgeq build model.keras --target rpi4 --data calibration.npz --eval test.npz --max-accuracy-drop 0.5
    """
    from edgeq.building.materials import declared_by
    from edgeq.project import load_project

    project = load_project()
    said = declared_by(project, labels)
    if security_version is not None:
        said = replace(said, security_version=security_version)
    given = Given(
        needed(
            model or project.model, "No model was given.", "Name a .keras, .h5 or .tflite file or a SavedModel folder."
        ),
        data or project.data,
        eval_data or project.eval,
        samples,
        out or project.out,
        project.name or None if model is None else None,
    )
    names = target or project.targets
    if max_drop is not None:
        from edgeq.cli.searching import search_and_tell

        asked = {"--mode": mode, "--recipe": recipe, "--per-tensor": per_tensor, "--repair": repair}
        if named := [name for name, value in asked.items() if value]:
            raise UsageError(f"A search chooses the recipe itself; {named[0]} was given.", f"Leave {named[0]} out.")
        options = {"floor": max_drop, "prefer": prefer, "minutes": minutes, "jobs": jobs, "scheduler": scheduler}
        search_and_tell(project, given, said, names, {**options, "io": io}, measure)
        return
    searching = {"--prefer": prefer != "both", "--scheduler": scheduler, "--measure": measure}
    if named := [name for name, value in searching.items() if value]:
        raise UsageError(f"{named[0]} belongs to a search, and none was asked for.", "Give --max-accuracy-drop too.")
    asked_for = _recipe(mode, per_tensor, io, recipe)
    _build(
        project,
        given,
        replace(said, recipe_file=recipe if asked_for else project.recipe),
        names,
        asked_for or _recipe(project.mode, False, "auto", project.recipe),
        repair,
    )


def _build(
    project: Project, given: Given, said: Declared, names: Sequence[str], recipe: Recipe | None, repaired: bool
) -> None:
    """Build, after repairs where they are wanted, and print the result."""
    from edgeq.build import build as build_bundles
    from edgeq.cli.repairing import keep, repair_told, tell_repair
    from edgeq.cli.telling import tell_built
    from edgeq.target import load_target

    targets = [load_target(name) for name in names]
    found = repair_told(given, said, recipe, project.root) if repaired else None
    if found:
        said = replace(said, recipe_file=None)
    built = build_bundles(
        given.model,
        targets,
        data=given.data,
        eval_data=given.eval_data,
        declared=said,
        recipe=found.recipe if found else recipe,
        samples=given.samples,
        folder=project.root,
        out=given.out,
        name=given.name,
        progress=console.progress,
    )
    document, text = tell_built(built)
    if found:
        keep(found, [each.bundle.folder for each in built])
        document, text = {**document, "repair": found.document}, f"{tell_repair(found)}\n\n{text}"
    console.result(document, text)


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
