"""The command `estimate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import app, command, console
from edgeq.errors import UsageError

LEARN, TABLES = "learn", "tables"


@command(app)
def estimate(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BUNDLE | learn RUN... | tables]",
            help="A bundle; or learn and runs with a profile, which are kept; or tables, to list what is known.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="The bundle's own target unless given.", show_default=False)
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Learn from the runs in a folder, not from those kept.", show_default=False
        ),
    ] = None,
    runtime: Annotated[str, typer.Option(help="Another runtime than the target's.", show_default=False)] = "",
    threads: Annotated[int, typer.Option(help="0: what the bundle says.", min=0, max=1024)] = 0,
    table: Annotated[
        str, typer.Option(help="This table, though it is of another device, runtime or mode.", show_default=False)
    ] = "",
    top: Annotated[int, typer.Option(help="Only so many of the most expensive ops.", min=0)] = 0,
) -> None:
    """Tell what an inference takes on a target without a device: from your own runs and published ones, with error
    bars, or that there is no data.

    Example: edgeq estimate out/digits-rpi4 --target rpi4
    Example: edgeq estimate learn runs/*
    Example: edgeq estimate tables --json
    """
    given = words or []
    if given[:1] == [LEARN]:
        _learn([Path(word) for word in given[1:]])
    elif given == [TABLES]:
        _tables(runs)
    elif len(given) > 1:
        raise UsageError(f"An estimate is of one bundle; {len(given)} words were given.", "edgeq estimate BUNDLE")
    else:
        _estimate(Path(given[0]) if given else _own(), target, runs, runtime, threads, table, top)


def _estimate(
    folder: Path, target: str | None, runs: Path | None, runtime: str, threads: int, table: str, top: int
) -> None:
    from edgeq.bundle import read_bundle
    from edgeq.cli.telling_estimate import estimate_text
    from edgeq.estimate import estimate as estimated
    from edgeq.estimate import published, tables_in
    from edgeq.target import load_target

    bundle = read_bundle(folder)
    own = tables_in(runs)
    known = (*own.tables, *published())
    found = estimated(bundle, load_target(target or bundle.target), known, runtime=runtime, threads=threads, name=table)
    aside = [f"aside    {name}: {why}" for name, why in own.aside.items()]
    console.result({**found.to_json(), "aside": dict(own.aside)}, "\n".join([estimate_text(found, top), *aside]))


def _own() -> Path:
    from edgeq.project import load_project

    project = load_project()
    return project.bundle(project.resolve(None))


def _learn(runs: Sequence[Path]) -> None:
    from edgeq.estimate import keep

    if not runs:
        raise UsageError("No run was given.", "edgeq bench DEVICE --profile -o run.json; edgeq estimate learn run.json")
    kept = [(path, *keep(path)) for path in runs]
    document = [{"run": str(path), "key": str(key), "kept": str(place)} for path, key, place in kept]
    console.result({"learned": document}, "\n".join(f"{path}: learned, {key}" for path, key, _ in kept))


def _tables(runs: Path | None) -> None:
    from edgeq.cli.telling_estimate import tables_rows
    from edgeq.estimate import published, tables_in

    own = tables_in(runs)
    found = (*own.tables, *published())
    document = {
        "tables": [
            {
                "name": one.name,
                "key": str(one.key),
                "own": one.own,
                "unit": one.key.unit,
                "models": one.models,
                "by_op": bool(one.measured[0].ops),
                "source": one.source,
            }
            for one in found
        ],
        "aside": dict(own.aside),
    }
    console.table(document, ("table", "of", "models", "by", "unit"), tables_rows(found), "There are no tables.")
