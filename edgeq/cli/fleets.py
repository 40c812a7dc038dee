"""The inventory, and what commands do where many devices were asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeq.cli.base import Jobs, app, command, console
from edgeq.errors import UsageError

if TYPE_CHECKING:
    from edgeq.fleet import How
    from edgeq.host.parallel import Watch
    from edgeq.project import DeviceEntry, Project
    from edgeq.transaction.steps import Tell


@command(app)
def devices(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DEVICE]...", help="Names, group:NAME, tag:NAME, addresses.", show_default=False),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody: what is known from before.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="device, release digest, state, last seen.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that one device may take.", min=1, max=600)] = 15,
    jobs: Jobs = 16,
) -> None:
    """List the devices: whether they answer, what serves on each, when each was last seen.

    Example: edgeq devices group:lab --csv
    """
    from edgeq import fleet
    from edgeq.cli.telling_fleet import inventory_csv, tell_inventory
    from edgeq.project import load_project

    entries = fleet.listed(load_project(), wanted or ())
    with _watching(entries, quiet=offline) as watch:
        found = fleet.survey(entries, offline=offline, jobs=jobs, deadline_s=timeout, watch=watch)
    document, text = tell_inventory(found)
    console.result(document, inventory_csv(found) if as_csv else text)


def deploy_many(project: Project, wanted: Sequence[str], bundle: Path | None, jobs: int, how: How) -> None:
    """`edgeq deploy` to a fleet."""
    from edgeq import fleet
    from edgeq.cli.telling_fleet import tell_fleet_deployed

    entries = project.select(wanted)
    bundles = fleet.plan(project, entries, bundle)
    with _watching(entries) as watch:
        rows = fleet.deploy(bundles, entries, how=how, events=heard, jobs=jobs, watch=watch)
    _finish(rows, *tell_fleet_deployed(rows, bundles, fleet.exit_code(rows)))


def heard(name: str) -> Tell:
    """Who hears the events of a device: stdout with `--events`, else nobody."""
    from edgeq.transaction.steps import unheard

    if not console.as_lines:
        return unheard
    return lambda event: console.line({"device": name, **event.to_json()})


def plan_many(project: Project, wanted: Sequence[str], bundle: Path | None, jobs: int, how: How) -> None:
    """`edgeq deploy --dry-run` to a fleet."""
    from edgeq import fleet
    from edgeq.cli.telling_fleet import tell_fleet_plans

    entries = project.select(wanted)
    bundles = fleet.plan(project, entries, bundle)
    with _watching(entries) as watch:
        rows = fleet.dry_run(bundles, entries, how=how, jobs=jobs, watch=watch)
    _finish(rows, *tell_fleet_plans(rows, fleet.exit_code(rows)))


def verify_many(project: Project, wanted: Sequence[str], jobs: int) -> None:
    """`edgeq verify` of a fleet."""
    from edgeq import fleet
    from edgeq.cli.telling_fleet import tell_fleet_verified

    entries = _checked(project, wanted)
    with _watching(entries) as watch:
        rows = fleet.verify(entries, jobs=jobs, watch=watch)
    _finish(rows, *tell_fleet_verified(rows, fleet.verified_code(rows)))


def releases_many(project: Project, wanted: Sequence[str], jobs: int) -> None:
    """`edgeq releases` of a fleet."""
    from edgeq import fleet
    from edgeq.cli.telling_fleet import tell_fleet_releases

    entries = _checked(project, wanted)
    with _watching(entries) as watch:
        rows = fleet.releases(entries, jobs=jobs, watch=watch)
    _finish(rows, *tell_fleet_releases(rows, fleet.exit_code(rows)))


def rollback_many(project: Project, wanted: Sequence[str], jobs: int) -> None:
    """`edgeq rollback` of a fleet."""
    from edgeq import fleet
    from edgeq.cli.telling_fleet import tell_fleet_rolled_back

    entries = _checked(project, wanted)
    with _watching(entries) as watch:
        rows = fleet.rollback(entries, jobs=jobs, watch=watch)
    _finish(rows, *tell_fleet_rolled_back(rows, fleet.exit_code(rows)))


def bench_many(project: Project, wanted: Sequence[str], output: Path | None, jobs: int, **how: Any) -> None:
    """`edgeq bench` of a fleet; every run gets a file of its own."""
    from edgeq import fleet
    from edgeq.cli.telling_fleet import tell_fleet_runs
    from edgeq.results import publish

    if output:
        raise UsageError("Several devices make several runs.", f"Leave --output away: they go to {project.runs}.")
    entries = _checked(project, wanted)
    with _watching(entries) as watch:
        rows = fleet.bench(entries, jobs=jobs, watch=watch, **how)
    paths: dict[str, Path] = {}
    for row in rows:
        if row.result:
            paths[row.device.name] = project.run_path(row.result.created, row.device.name)
            publish(row.result, paths[row.device.name])
    _finish(rows, *tell_fleet_runs(rows, paths, fleet.exit_code(rows)))


def trust_list(path: Path, replace: bool) -> None:
    """`edgeq trust --from`."""
    from edgeq import fleet
    from edgeq.cli.live import watching
    from edgeq.cli.telling_fleet import tell_trusted
    from edgeq.link.known_hosts import own_file, read_expected
    from edgeq.trust import trust_listed

    hosts = read_expected(path)
    with watching([item.host for item in hosts], console.quiet) as watch:
        compared = trust_listed(hosts, path, replace=replace, watch=watch)
    _finish(compared, *tell_trusted(compared, own_file(), fleet.exit_code(compared)))


def _checked(project: Project, wanted: Sequence[str]) -> Sequence[DeviceEntry]:
    from edgeq import fleet

    entries = project.select(wanted)
    fleet.check_devices(entries)
    return entries


def _watching(entries: Sequence[DeviceEntry], quiet: bool = False) -> AbstractContextManager[Watch]:
    from edgeq.cli.live import watching

    return watching([entry.name for entry in entries], quiet or console.quiet)


def _finish(rows: Sequence[Any], document: Any, text: str) -> None:
    """Tell the result of many, with -v also where each failure comes from; ends with their exit code."""
    if console.verbose:
        import traceback

        for row in rows:
            if row.error:
                traceback.print_exception(row.error, file=sys.stderr)
    console.result(document, text)
    if document["exit_code"]:
        raise typer.Exit(document["exit_code"])
