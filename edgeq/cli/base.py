"""What every command shares: the application, its options, its console, and how devices are opened."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeq.errors import UsageError
from edgeq.host.console import GO_ON, Console

app = typer.Typer(
    name="edgeq",
    help="Take a trained neural network onto an embedded target and prove that it works there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()


_COMMON = {
    "as_json": Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", help="Tracebacks with errors.")],
}


def command(parent: typer.Typer, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command, with the options that every command has."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def started(**given: Any) -> None:
            for key in _COMMON:
                setattr(console, key, given.pop(key))
            console.as_lines = False
            try:
                function(**given)
            except KeyboardInterrupt as stop:  # typer would end without a word
                told = getattr(stop, "hint", GO_ON), getattr(stop, "facts", {})
                raise typer.Exit(console.interrupted(*told)) from None

        own = inspect.signature(function, eval_str=True)
        kind = inspect.Parameter.KEYWORD_ONLY
        common = [inspect.Parameter(key, kind, default=False, annotation=hint) for key, hint in _COMMON.items()]
        started.__signature__ = own.replace(parameters=[*own.parameters.values(), *common])  # type: ignore[attr-defined]
        started.__annotations__ = {name: each.annotation for name, each in started.__signature__.parameters.items()}  # type: ignore[attr-defined]
        parent.command(name)(started)
        return function

    return register


DeviceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[DEVICE]",
        help="A name from edgeq.toml, or local:, ssh://user@host, serial:PORT, tcp://host:port, qemu:NAME.",
        show_default=False,
    ),
]
ManyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[DEVICE]",
        help="A device, or several as group:NAME or tag:NAME of edgeq.toml.",
        show_default=False,
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", help="Of several devices so many at once.", min=1, max=256)]


@dataclass(frozen=True)
class Given:
    """What a build is given, with the project's defaults in place."""

    model: Path
    data: str | Path | None
    eval_data: str | Path | None
    samples: int | None
    out: Path
    name: str | None


def needed(path: Path | None, message: str, hint: str) -> Path:
    if path is None:
        raise UsageError(message, hint)
    return path


def open_address(address: str) -> AbstractContextManager[Any]:
    """The device behind an address, remembered as seen; a password is asked for where somebody is there to give it."""
    from edgeq.device.contact import contact
    from edgeq.device.open import open_device

    ask = None
    if sys.stdin.isatty():
        import getpass

        ask = getpass.getpass
    return contact(address, console.progress, lambda place, progress: open_device(place, progress, ask))
