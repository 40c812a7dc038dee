"""Commands that talk to devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import DeviceArgument, app, command, console, open_address
from edgeq.cli.fleets import trust_list
from edgeq.errors import UsageError

INPUT_HELP = "x.npy, x.npz, clip.wav, photo.png, a folder of them, a table; once per input of the model."


@command(app)
def run(
    device: DeviceArgument = None,
    inputs: Annotated[list[Path], typer.Option("--input", "-i", help=INPUT_HELP)] = [],  # noqa: B006
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where outputs go, .npy or .npz.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The model's own integers in and out.")] = False,
) -> None:
    """One inference per sample on the device: real values or raw input in, real values out.

    Example: edgeq run ssh://pi@raspberrypi --input x.npy -o y.npy
    Example: edgeq run board --input clip.wav
    """
    from edgeq.cli.telling import tell_outputs
    from edgeq.infer import infer, read_inputs, write_outputs
    from edgeq.project import load_project

    given = read_inputs(inputs)
    with open_address(load_project().resolve(device).address) as opened:
        interface = opened.interface()
        outputs = infer(opened, given.ordered(interface), raw=raw, progress=console.progress)
    if output:
        write_outputs(output, outputs)
    console.result(*tell_outputs(outputs, interface, output, given.names))


@command(app)
def trust(
    host: Annotated[
        str | None, typer.Argument(help="ssh://[user@]host[:port], or just the host.", show_default=False)
    ] = None,
    fingerprint: Annotated[str | None, typer.Option(help="Accept exactly this one (SHA256:...), unasked.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a key that was trusted before.")] = False,
    listed: Annotated[
        Path | None,
        typer.Option("--from", help="Trust the hosts of a list that show the keys it says.", show_default=False),
    ] = None,
) -> None:
    """Show a host's key and, once you have compared it, trust it; or compare many with a list.

    Example: edgeq trust pi@raspberrypi
    Example: edgeq trust --from lab-keys.txt
    """
    if listed:
        if host or fingerprint:
            raise UsageError("A list and a host were given.", "Give --from FILE, or one host.")
        trust_list(listed, replace)
        return
    if host is None:
        raise UsageError("No host was given.", "Name one, such as pi@raspberrypi, or give a list with --from FILE.")
    from edgeq.link.known_hosts import remember
    from edgeq.link.ssh import fetch_host_key

    address = host if host.startswith("ssh://") else f"ssh://{host}"
    key = fetch_host_key(address)
    console.progress(f"{address} has the {key.type} key {key.fingerprint}")
    if fingerprint is None:
        if not sys.stdin.isatty():
            raise UsageError(
                "Nobody is here to compare the fingerprint.", f"Compare it, then add --fingerprint {key.fingerprint}"
            )
        typer.confirm("Is this the fingerprint that the device itself shows?", abort=True, err=True)
    elif fingerprint != key.fingerprint:
        raise UsageError(f"The host shows {key.fingerprint}, not {fingerprint}.", "Do not connect before you know why.")
    path = remember(key, replace=replace)
    console.result({"type": key.type, "fingerprint": key.fingerprint, "file": str(path)}, f"Trusted; kept in {path}.")
