"""Commands about this machine and what it holds: doctor, fetch."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeq.cli.base import DeviceArgument, app, command, console


@command(app)
def doctor(device: DeviceArgument = None) -> None:
    """Say what is installed here, what is missing, and the one line that fixes it; of a device, which runtime works.

    Exits with 1 where something is missing that the project here, or the device, needs.

    Example: edgeq doctor
    Example: edgeq doctor ssh://pi@raspberrypi
    """
    from edgeq.cli.telling_doctor import tell_checks, tell_diagnosis
    from edgeq.doctor import diagnose, failed
    from edgeq.doctor.device import diagnose_device
    from edgeq.errors import GateFailed
    from edgeq.project import load_project

    project = load_project()
    if device is None:
        checks = diagnose(project, console.progress)
        bad = failed(checks)
        console.result(*tell_checks(checks))
    else:
        entry = project.resolve(device)
        found = diagnose_device(entry, console.progress)
        bad = not found.works
        console.result(*tell_diagnosis(found, entry.name))
    if bad:
        raise typer.Exit(GateFailed.exit_code)


@command(app)
def fetch(
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", help="A target; may be given several times.", show_default=False),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            help="Of the device, for example 3.11; that of the profile's system otherwise.", show_default=False
        ),
    ] = None,
    emulator: Annotated[bool, typer.Option("--emulator", help="Also what the target's emulator needs.")] = False,
) -> None:
    """Fetch all that a target needs, pinned by digest, so that EDGEQ_OFFLINE=1 works afterwards.

    Example: edgeq fetch --target rpi4 --emulator
    """
    from edgeq.cli.telling_doctor import tell_fetched
    from edgeq.errors import UsageError
    from edgeq.fetch import fetch_target
    from edgeq.project import load_project
    from edgeq.target import load_target

    names = target or list(load_project().targets)
    if not names:
        raise UsageError("There is no target to fetch for.", "Give --target; 'edgeq targets' lists them.")
    profiles = [load_target(name) for name in names]
    items = [
        item
        for profile in profiles
        for item in fetch_target(profile, python or (), emulator=emulator, progress=console.progress)
    ]
    console.result(*tell_fetched(items))
