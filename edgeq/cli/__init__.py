"""The command line: what may be said, with which defaults. Each command is a few calls to a verb.

`edgeq --help` must not wait for TensorFlow, paramiko or numpy, so every import beyond typer stands in its command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edgeq.cli.base import app, console
from edgeq.errors import EdgeqError, UsageError

# Importing a module of commands registers them, in the order of the help.
from edgeq.cli import projects, calibration, models, building, sensitivity, evaluate, finetune  # isort: skip  # noqa: F401
from edgeq.cli import passports, deploying, devices, benching, profiling, fleets, reports, machine, boards  # isort: skip  # noqa: F401
from edgeq.cli import comparing, keys, packing, agents  # isort: skip  # noqa: F401
from edgeq.cli import probing, estimating  # isort: skip  # noqa: F401

__all__ = ["app", "main"]

MISUSE: type[Exception] = typer.BadParameter.__mro__[1]
"""Click's UsageError, by the way that is the same whether typer needs click or carries it within."""


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
        code = app(standalone_mode=False)
    except MISUSE as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # typer has printed the help
            sys.exit(UsageError.exit_code)
        console.as_json = "--json" in sys.argv
        sys.exit(console.error(_misused(error)))
    except EdgeqError as error:
        sys.exit(console.error(error))
    except KeyboardInterrupt:
        sys.exit(console.interrupted())
    sys.exit(code if isinstance(code, int) else 0)


def _misused(error: Any) -> UsageError:
    """What typer says of a line that it cannot take, in our form."""
    path = error.ctx.command_path if error.ctx else f"edgeq {' '.join(sys.argv[1:2])}"
    message, hint = error.format_message().rstrip("."), f"'{path} --help' says what may be given."
    if "unexpected extra" in message and sum(Path(word).exists() for word in sys.argv[1:]) > 1:
        # A shell makes many words of a pattern, and an option takes one.
        message = f"An option takes one file, and {len(sys.argv) - 2} words were given"
        hint = f"Give the folder of the files, or the option once for each. {hint}"
    return UsageError(f"{message}.", hint)
