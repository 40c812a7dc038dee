"""The command `sensitivity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgeq.cli.base import app, command, console
from edgeq.errors import UsageError


@command(app)
def sensitivity(
    model: Annotated[
        Path | None, typer.Argument(help="A float model, as for 'edgeq build'.", show_default=False)
    ] = None,
    data: Annotated[str | None, typer.Option(help="Representative samples, as for 'edgeq build'.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe's file; by default int8 throughout.")] = None,
    samples: Annotated[int | None, typer.Option(help="Calibration samples to use.", min=1)] = None,
    compared: Annotated[int, typer.Option(help="Samples to compare answers on.", min=2)] = 64,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write the ranking as a picture (.svg).")] = None,
) -> None:
    """Rank a model's layers by what they lose when their numbers become integers, and say what more bits would buy.

    Example: edgeq sensitivity model.keras --data calibration.npz --plot layers.svg
    """
    from edgeq.building.materials import Declared
    from edgeq.cli.telling_sensitivity import picture, tell_sensitivity
    from edgeq.project import load_project
    from edgeq.quantize.recipe_file import read_recipe
    from edgeq.sensitivity import sensitivity as analyse

    project = load_project()
    path, samples_at = model or project.model, data or project.data
    if path is None or samples_at is None:
        raise UsageError("A float model and representative data are needed.", "edgeq sensitivity MODEL --data DATA")
    if plot:
        _check_picture(plot)
    found: dict[str, Any] = analyse(
        path,
        samples_at,
        declared=Declared(preprocess=project.preprocess),
        recipe=read_recipe(recipe) if recipe else None,
        samples=samples,
        compared=compared,
        folder=project.root,
        progress=console.progress,
    )
    console.result(found, tell_sensitivity(found))
    if plot:
        try:
            plot.write_text(picture(found), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"'{plot}' cannot be written: {error.strerror}.", "Give --plot another file.") from error


def _check_picture(plot: Path) -> None:
    """Before minutes go by: the file has a folder, and a name that tells what it is."""
    if plot.suffix.lower() != ".svg":
        raise UsageError(f"The picture is an SVG, and '{plot}' has another name.", "Give --plot a name in .svg.")
    if not plot.parent.is_dir():
        raise UsageError(f"'{plot}' cannot be written: there is no such folder.", "Give --plot another file.")
    if plot.is_dir():
        raise UsageError(f"'{plot}' cannot be written: it is a folder.", "Give --plot another file.")
