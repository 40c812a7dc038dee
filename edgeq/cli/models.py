"""Commands about targets and models, before any device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import app, command, console, needed
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
    from edgeq.building.candidate import candidate
    from edgeq.check import check as check_model
    from edgeq.check import check_all, with_alternatives
    from edgeq.cli.telling import tell_checked, tell_matrix
    from edgeq.errors import FitError
    from edgeq.project import load_project
    from edgeq.target import all_targets as every
    from edgeq.target import load_target

    project = load_project()
    path = needed(model or project.model, "No model was given.", "Name a .keras, .h5 or .tflite file, or a SavedModel.")
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
