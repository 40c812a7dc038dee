"""The command `probes`."""

from __future__ import annotations

from edgeq.cli.base import app, command, console


@command(app)
def probes() -> None:
    """List what can watch a bench, and the meters that are plugged into this machine.

    Example: edgeq probes
    Example: edgeq bench board --probe "ppk2:/dev/ttyACM0?supply_v=3.3&pin=0"
    """
    from dataclasses import asdict

    from edgeq.console import table
    from edgeq.probe.plugged import probe_states

    states = probe_states()
    rows = [(f"{state.scheme}:", state.what, ", ".join(state.addresses) or state.missing or "-") for state in states]
    console.result(
        {"probes": [asdict(state) for state in states]}, table(("probe", "what it is", "found here, or missing"), rows)
    )
