"""Commands about releases: deploy, verify, confirm, list, go back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli.base import DeviceArgument, Jobs, ManyArgument, app, command, console, open_address
from edgeq.cli.fleets import deploy_many, heard, plan_many, releases_many, rollback_many, verify_many
from edgeq.errors import UsageError

if TYPE_CHECKING:
    from edgeq.bundle import Bundle
    from edgeq.fleet import How
    from edgeq.project import DeviceEntry


@command(app)
def deploy(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle folder.", show_default=False)] = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="A device, group:NAME or tag:NAME; may be given several times.", show_default=False),
    ] = None,
    allow: Annotated[
        bool,
        typer.Option("--allow-interface-change", help="Applications may meet other shapes, labels or preprocessing."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Do not watch the trial: the device ends it by itself.")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="Wait so long for another deploy to end.", min=0)
    ] = 0.0,
    events: Annotated[
        bool, typer.Option("--events", help="Print one JSON object a line on stdout, as it happens.")
    ] = False,
    jobs: Jobs = 8,
) -> None:
    """Send a bundle to a device or to many, verify it there, test it on its golden vectors, let it serve on trial, and
    watch until the device has confirmed it.

    Example: edgeq deploy build/digits-rpi4 --to ssh://pi@raspberrypi
    Example: edgeq deploy --to group:lab --dry-run
    """
    from edgeq.bundle import read_bundle
    from edgeq.fleet import How
    from edgeq.project import load_project

    if events and console.as_json:
        raise UsageError("--json is one document, --events is a line for everything.", "Give one of the two.")
    console.as_lines = events
    project, how = load_project(), How(allow_interface_change=allow, wait_s=wait, watch=not no_wait)
    if project.is_many(to or ()):
        if dry_run:
            plan_many(project, to or (), bundle, jobs, how)
        else:
            deploy_many(project, to or (), bundle, jobs, how)
        return
    entry = project.resolve(to[0] if to else None)
    content = read_bundle(bundle or project.bundle(entry))
    if dry_run:
        _plan(content, entry, allow)
        return
    _deploy(content, entry, how)


def _deploy(content: Bundle, entry: DeviceEntry, how: How) -> None:
    from edgeq.cli.telling_deploy import tell_deployed
    from edgeq.deploy import deploy as deploy_bundle

    with open_address(entry.address) as device:
        done = deploy_bundle(
            content, device, console.progress, runtime=entry.runtime, events=heard(entry.name), **asdict(how)
        )
    console.result(*tell_deployed(done, content.name, entry.address))


def _plan(content: Bundle, entry: DeviceEntry, allow: bool) -> None:
    from edgeq.cli.telling_deploy import tell_plan
    from edgeq.plan import make_plan

    with open_address(entry.address) as device:
        plan = make_plan(content, device, console.progress, allow_interface_change=allow, runtime=entry.runtime)
    console.result(*tell_plan(plan))


@command(app)
def verify(device: ManyArgument = None, jobs: Jobs = 8) -> None:
    """Have a device hash again what is installed, and test what serves; exit code 6 where something needed is damaged.

    Example: edgeq verify ssh://pi@raspberrypi
    """
    from edgeq.cli.telling_deploy import tell_verified
    from edgeq.errors import ArtifactError
    from edgeq.project import load_project
    from edgeq.verify import verify as verify_device

    project = load_project()
    if project.is_many(wanted := [device] if device else []):
        verify_many(project, wanted, jobs)
        return
    entry = project.resolve(device)
    with open_address(entry.address) as opened:
        found = verify_device(opened, console.progress)
    console.result(*tell_verified(found, entry.address))
    if found.damaged:
        raise typer.Exit(ArtifactError.exit_code)


@command(app)
def confirm(
    device: DeviceArgument = None,
    reject: Annotated[bool, typer.Option("--reject", help="It is bad: what served before serves again.")] = False,
) -> None:
    """End the trial on a device: the release on trial is good, or with --reject is not.

    Example: edgeq confirm ssh://pi@raspberrypi
    """
    from edgeq.cli.telling_deploy import tell_confirmed, tell_rejected
    from edgeq.project import load_project
    from edgeq.transaction import trial

    entry = load_project().resolve(device)
    with open_address(entry.address) as opened:
        if reject:
            console.result(*tell_rejected(*trial.reject(opened, console.progress), entry.address))
        else:
            console.result(*tell_confirmed(trial.confirm(opened, console.progress), entry.address))


@command(app)
def releases(device: ManyArgument = None, jobs: Jobs = 8) -> None:
    """List the releases on a device, which one serves, and why one is bad.

    Example: edgeq releases ssh://pi@raspberrypi
    """
    from edgeq.cli.telling_deploy import tell_releases
    from edgeq.project import load_project

    project = load_project()
    if project.is_many(wanted := [device] if device else []):
        releases_many(project, wanted, jobs)
        return
    with open_address(project.resolve(device).address) as opened:
        found = opened.installed()
    console.result(*tell_releases(found))


@command(app)
def rollback(device: ManyArgument = None, jobs: Jobs = 8) -> None:
    """Let the previous release serve again.

    Example: edgeq rollback ssh://pi@raspberrypi
    """
    from edgeq.cli.telling_deploy import tell_rolled_back
    from edgeq.project import load_project
    from edgeq.rollback import rollback as roll_back

    project = load_project()
    if project.is_many(wanted := [device] if device else []):
        rollback_many(project, wanted, jobs)
        return
    entry = project.resolve(device)
    with open_address(entry.address) as opened:
        done = roll_back(opened, console.progress)
    console.result(*tell_rolled_back(done, entry.address))
