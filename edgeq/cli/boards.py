"""Emulated boards, and firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import app, command, console

emulate_app = typer.Typer(help="Start, stop and list emulated boards.", no_args_is_help=True)
app.add_typer(emulate_app, name="emulate")
firmware_app = typer.Typer(help="Firmware for microcontrollers.", no_args_is_help=True)
app.add_typer(firmware_app, name="firmware")


@command(emulate_app, "start")
def emulate_start(
    name: Annotated[str, typer.Argument(help="The board, for example rpi4.")],
    recipe: Annotated[
        str | None, typer.Option(help="namespaces, proot or system; chosen by probing otherwise.")
    ] = None,
) -> None:
    """Start an emulated board, if it does not run already.

    Example: edgeq emulate start rpi4
    """
    from edgeq import emulate
    from edgeq.cli.telling import instance_document

    instance = emulate.start(name, recipe=recipe, progress=console.progress)
    text = f"{instance.address}, recipe {instance.recipe}: {instance.why}\nUse it as qemu:{name}."
    console.result(instance_document(instance), text)


@command(emulate_app, "stop")
def emulate_stop(
    name: Annotated[str, typer.Argument(help="The board, for example rpi4.")],
) -> None:
    """Stop an emulated board; what is installed on it stays.

    Example: edgeq emulate stop rpi4
    """
    from edgeq import emulate

    stopped = emulate.stop(name)
    console.result({"name": name, "stopped": stopped}, f"{name} {'was stopped' if stopped else 'was not running'}.")


@command(emulate_app, "list")
def emulate_list() -> None:
    """List the emulated boards that run now.

    Example: edgeq emulate list
    """
    from edgeq import emulate
    from edgeq.cli.telling import instance_document

    found = emulate.instances()
    rows = [(item.name, item.recipe, item.address, item.pid) for item in found]
    document = {"instances": [instance_document(item) for item in found]}
    console.table(
        document,
        ("board", "recipe", "address", "pid"),
        rows,
        "None runs; 'edgeq emulate start rpi4' starts one.",
    )


@command(firmware_app, "build")
def firmware_build(
    target: Annotated[str, typer.Option("--target", "-t", help="The board, for example mps2-an386.")],
    ops_from: Annotated[
        Path | None, typer.Option(help="A bundle: only the kernels of its model.", show_default=False)
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(help="A trust document: only images signed as it asks are taken.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option("--output-dir", "-o", help="Where firmware.elf goes.")] = None,
) -> None:
    """Compile the firmware of a microcontroller, unless it is there already.

    Example: edgeq firmware build --target mps2-an386
    """
    from dataclasses import asdict

    from edgeq.bundle import read_bundle
    from edgeq.firmware import build_firmware
    from edgeq.target import load_target
    from edgeq.units import format_bytes

    bundle = read_bundle(ops_from) if ops_from else None
    elf, made = build_firmware(load_target(target), bundle, out, console.progress, trust)
    takes = f"{format_bytes(made.flash_bytes)} of flash, {format_bytes(made.ram_bytes)} of RAM without the arena"
    text = f"{elf}: {takes}\n  kernels  {', '.join(made.kernels)}\n  compiler {made.compiler}"
    if made.keys:
        text += f"\n  keys     {', '.join(key[:12] for key in made.keys)}"
    console.result({"file": str(elf), **asdict(made)}, text)


@command(firmware_app, "size")
def firmware_size(
    target: Annotated[str, typer.Option("--target", "-t", help="The board, for example mps2-an386.")],
    ops_from: Annotated[
        Path | None, typer.Option(help="A bundle: measured with its kernels only, and not kept.", show_default=False)
    ] = None,
) -> None:
    """Measure what firmware and runtime take on a board, and keep it beside the port's sources.

    Example: edgeq firmware size --target mps2-an386
    """
    from dataclasses import asdict

    from edgeq.bundle import read_bundle
    from edgeq.firmware.size import firmware_sizes, write_sizes
    from edgeq.target import load_target

    profile = load_target(target)
    sizes = firmware_sizes(profile, read_bundle(ops_from) if ops_from else None, console.progress)
    document = asdict(sizes)
    if ops_from is None:
        document["file"] = str(write_sizes(profile, sizes))
    rows = [(name, value) for name, value in document.items() if isinstance(value, int)]
    console.table(document, ("what", "bytes"), rows, "")
