"""The command `probes`."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeq.cli.base import app, command, console


@command(app)
def probes(
    feed: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Let this meter feed the board, and do nothing else.", show_default=False),
    ] = None,
) -> None:
    """List what can watch a bench, and the meters that are plugged into this machine.

    Example: edgeq probes
    Example: edgeq probes --feed "ppk2:/dev/ttyACM0?supply_v=3.3"
    """
    from dataclasses import asdict

    from edgeq.host.console import table
    from edgeq.probe.plugged import feed_from, probe_states

    if feed is not None:
        volts = feed_from(feed)
        console.result({"fed": feed, "supply_v": volts}, f"{feed} feeds the board with {volts:g} V.")
        return
    states = probe_states()
    rows = [(f"{state.scheme}:", state.what, ", ".join(state.addresses) or state.missing or "-") for state in states]
    console.result(
        {"probes": [asdict(state) for state in states]}, table(("probe", "what it is", "found here, or missing"), rows)
    )
