"""`edgeq agent`: the agent of a Linux device as a service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeq.cli.base import DeviceArgument, app, command, console

agent_app = typer.Typer(help="The agent of a Linux device as a service of its user.", no_args_is_help=True)
app.add_typer(agent_app, name="agent")


@command(agent_app)
def install(
    device: DeviceArgument = None,
    supervised: Annotated[
        bool, typer.Option("--supervised", help="Without systemd, also where the device has one.")
    ] = False,
) -> None:
    """Let the agent of this edgeq serve a device for good: a systemd user unit where there is one, else a process that
    is looked after.

    Example: edgeq agent install ssh://pi@raspberrypi
    """
    _tell(device, ["install", *(["--supervised"] if supervised else [])])


@command(agent_app)
def status(device: DeviceArgument = None) -> None:
    """Show the service of a device: how it is started, whether it runs, what it serves.

    Example: edgeq agent status ssh://pi@raspberrypi
    """
    _tell(device, ["status"])


@command(agent_app)
def uninstall(device: DeviceArgument = None) -> None:
    """End the service of a device; its releases stay.

    Example: edgeq agent uninstall ssh://pi@raspberrypi
    """
    name, done = _run(device, ["uninstall"])
    text = f"The service of {name} is gone; its releases stay." if done["was"] else f"{name} has no service."
    console.result({"device": name, **done}, text)


@command(agent_app)
def update(device: DeviceArgument = None) -> None:
    """Put the agent of this edgeq on trial on a device where one is installed: it stays if it answers and what serves
    passes its self-test; else the former one is at work again.

    Example: edgeq agent update ssh://pi@raspberrypi
    """
    _tell(device, ["update"])


@command(agent_app)
def file(
    out: Annotated[Path, typer.Option("--output", "-o", help="Where the agent goes.")] = Path("edgeq-agent.pyz"),
) -> None:
    """Write the agent as a file, for devices that no host reaches: it needs only python3 there.

    Example: edgeq agent file -o edgeq-agent.pyz
    """
    from edgeq.device.agentfile import agent_bytes, agent_sha
    from edgeq.errors import UsageError

    try:
        out.write_bytes(agent_bytes())
        out.chmod(0o755)
    except OSError as error:
        raise UsageError(f"'{out}' cannot be written: {error.strerror}.", "Give another file (-o).") from error
    text = f"{out} is the agent, {agent_sha()[:12]}: python3 {out.name} apply FILE.eqb"
    console.result({"file": str(out), "sha256": agent_sha(), "size_bytes": out.stat().st_size}, text)


def _run(device: str | None, arguments: list[str]) -> tuple[str, dict[str, Any]]:
    from edgeq.device.programs import run_program
    from edgeq.project import load_project

    ask = None
    if sys.stdin.isatty():
        import getpass

        ask = getpass.getpass
    address = load_project().resolve(device).address
    return address, run_program(address, arguments, console.progress, ask)


def _tell(device: str | None, arguments: list[str]) -> None:
    from edgeq.agent.overview import status_lines

    name, done = _run(device, arguments)
    lines = status_lines(done)
    if done.get("changed") is False:
        lines.insert(0, "This very agent is at work already; nothing was changed.")
    console.result({"device": name, **done}, "\n".join(lines))
