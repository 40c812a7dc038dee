"""Commands about targets and models, before any device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgeq.cli.base import app, command, console
from edgeq.errors import UsageError


@command(app)
def targets(
    name: Annotated[str | None, typer.Argument(help="One target; all of them if left out.", show_default=False)] = None,
) -> None:
    """List the target profiles, or show one with its sources.

    Example: edgeq targets rpi4
    """
    from dataclasses import asdict

    from edgeq.target import all_targets, load_target
    from edgeq.units import format_bytes

    if name:
        profile = load_target(name)
        console.result(asdict(profile), profile.path.read_text(encoding="utf-8").rstrip())
        return
    found = list(all_targets())
    rows = [(item.name, item.title, item.cpu.arch, format_bytes(item.ram_free_bytes), item.evidence) for item in found]
    console.table([asdict(item) for item in found], ("target", "what", "arch", "RAM", "evidence"), rows, "No targets.")


@command(app)
def check(
    model: Annotated[Path, typer.Argument(help="A .tflite file.")],
    target: Annotated[str, typer.Option("--target", "-t", help="The target profile.")],
) -> None:
    """Say whether a model fits a target, and what it takes there; exit code 3 where it does not.

    Example: edgeq check build/digits-mps2-an386/model.tflite --target mps2-an386
    """
    from edgeq.check import check as check_model
    from edgeq.errors import FitError
    from edgeq.target import load_target
    from edgeq.telling import tell_checked

    found = check_model(model, load_target(target))
    console.result(*tell_checked(found))
    if not found.fits:
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
        str | None, typer.Option(help="static_wi8_ai8, static_wi8_ai16, dynamic_wi8_afp32, float16 or float32.")
    ] = None,
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One scale for all of a layer's weights.")] = False,
    io: Annotated[str, typer.Option(help="Type of inputs and outputs: auto, int8, int16 or float32.")] = "auto",
    samples: Annotated[int | None, typer.Option(help="Calibration samples to use.", min=1)] = None,
    out: Annotated[Path | None, typer.Option("--output-dir", "-o", help="Where bundles go.")] = None,
) -> None:
    """Convert a model, by default to full int8, check it against a target, evaluate it and write a bundle.

    Example: edgeq build model.keras --target rpi4 --data calibration.npz --eval test.npz
    """
    from edgeq.build import Declared
    from edgeq.build import build as build_bundles
    from edgeq.project import load_project
    from edgeq.target import load_target
    from edgeq.telling import tell_built

    project = load_project()
    wanted = [load_target(name) for name in target or project.targets]
    built = build_bundles(
        _needed(
            model or project.model, "No model was given.", "Name a .keras, .h5 or .tflite file or a SavedModel folder."
        ),
        wanted,
        data=data or project.data,
        eval_data=eval_data or project.eval,
        declared=Declared(labels or project.labels, project.preprocess, project.threshold, project.smoothing),
        recipe=_recipe(mode or project.mode, per_tensor, io),
        samples=samples,
        folder=project.root,
        out=out or project.out,
        name=project.name or None if model is None else None,
        progress=console.progress,
    )
    console.result(*tell_built(built))


def _recipe(mode: str, per_tensor: bool, io: str) -> Any:
    """What was asked for; None where nothing was, so that a model that is quantized already is taken as it is."""
    from edgeq.quantize.recipe import Recipe

    if not mode and not per_tensor and io == "auto":
        return None
    return Recipe(mode or "static_wi8_ai8", "tensor" if per_tensor else "channel", io)


def _needed(path: Path | None, message: str, hint: str) -> Path:
    if path is None:
        raise UsageError(message, hint)
    return path
