"""`edgeq pack`: a bundle as one file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import app, command, console


@command(app)
def pack(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle folder.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the file goes.", show_default="beside the bundle")
    ] = None,
    no_wheels: Annotated[
        bool, typer.Option("--no-wheels", help="Without the runtime: the devices have it, or the agent has.")
    ] = False,
    python: Annotated[
        str, typer.Option(help="Only wheels for this Python of the devices, such as 3.11.", show_default="all")
    ] = "",
) -> None:
    """Write a bundle, its signatures and its runtime as one file that a device applies without a host or a network.

    Example: edgeq pack build/digits-rpi4 --python 3.11
    """
    from edgeq.bundle import read_bundle
    from edgeq.pack import pack as pack_bundle
    from edgeq.project import load_project
    from edgeq.units import format_bytes

    project = load_project()
    content = read_bundle(bundle or project.bundle(project.resolve(None)))
    done = pack_bundle(content, out, wheels=not no_wheels, python=python, progress=console.progress)
    runtime = f"{len(done.wheels)} runtime wheels" if done.wheels else "no runtime wheels"
    lines = [
        f"{done.path} holds {content.name} ({done.digest[:12]}), {runtime}, {format_bytes(done.size_bytes)}.",
        f"  sha256  {done.sha256}",
        f"  apply   python3 edgeq-agent.pyz apply {done.path.name}    # on the device",
    ]
    document = {**asdict(done), "path": str(done.path), "name": content.name, "target": content.target}
    console.result(document, "\n".join(lines))
