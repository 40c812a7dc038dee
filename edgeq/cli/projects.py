"""Commands to begin with: a project, the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import app, command, console


@command(app)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Leave a project to start from: edgeq.toml, a small trained model, data, labels.

    Example: edgeq init digits && cd digits && edgeq build --target rpi4
    """
    from edgeq.init import init_project

    project = init_project(folder, console.progress)
    steps = ("cd " + str(folder), "edgeq build --target rpi4", "edgeq deploy", "edgeq bench", "edgeq report")
    text = "\n  ".join((f"{folder} holds a project. Next:", *steps))
    console.result({"project": str(folder), "model": str(project.model)}, text)


@command(app)
def demo(
    folder: Annotated[Path, typer.Option("--output-dir", "-o", help="Where project and report go.")] = Path(
        "edgeq-demo"
    ),
) -> None:
    """The whole line on real data: train, build, deploy to an emulated Raspberry Pi 4 and to this machine, bench.

    Example: edgeq demo
    """
    from edgeq.demo import run_demo

    result = run_demo(folder, console.progress)
    console.result(result.document, f"{result.text}\n\nReport: {result.report}")
