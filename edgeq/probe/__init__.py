"""Probes watch a bench, opened by an address such as `t0:` or `replay:meter.csv`.

A new probe is a module and one row in the table below.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module

from edgeq.errors import UsageError
from edgeq.probe.base import Probe
from edgeq.target import TargetProfile

__all__ = ["PROBES", "Probe", "open_probe"]

PROBES = {
    "t0": ("edgeq.probe.power.t0", "power modelled from the target profile"),
    "replay": ("edgeq.probe.power.replay", "power from a meter's recording: replay:FILE.csv"),
}
"""Scheme -> module (its `open_address(rest, target)` makes the probe) and what it is, for `--help` and the docs."""


def open_probe(address: str, target: TargetProfile) -> Probe:
    """The probe at `address` (`scheme:rest`), for a bench on `target`; `UsageError` with near names where unknown."""
    scheme, _, rest = address.partition(":")
    if scheme not in PROBES:
        near = difflib.get_close_matches(scheme.lower(), PROBES, 1, 0.5)
        hint = f"Did you mean '{near[0]}:'? " if near else ""
        known = ", ".join(f"{name}: ({what})" for name, (_, what) in PROBES.items())
        raise UsageError(f"There is no probe '{address}'.", f"{hint}Known probes are {known}.")
    factory: Callable[[str, TargetProfile], Probe] = import_module(PROBES[scheme][0]).open_address
    return factory(rest, target)
