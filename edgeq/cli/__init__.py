"""The command line: what may be said, with which defaults. Each command is a few calls to a verb.

`edgeq --help` must not wait for TensorFlow, paramiko or numpy, so every import beyond typer stands in its command.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from edgeq.cli.base import app, console
from edgeq.errors import EdgeqError

# Importing a module of commands registers them, in the order of the help.
from edgeq.cli import projects, models, devices, fleets, reports, machine, boards  # isort: skip  # noqa: F401

__all__ = ["app", "main"]


def _version(wanted: bool) -> None:
    if wanted:
        import edgeq

        print(edgeq.__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take a trained neural network onto an embedded target and prove that it works there."""


def main() -> NoReturn:
    """Run the command line; every error a user can meet ends in its own exit code."""
    try:
        app(standalone_mode=True)
    except EdgeqError as error:
        sys.exit(console.error(error))
    except KeyboardInterrupt:
        print("\nInterrupted. Run the command again: it goes on where it can.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)
