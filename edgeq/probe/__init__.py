"""Probes watch a bench, opened by an address such as `t0:` or `ppk2:/dev/ttyACM0?supply_v=3.3`.

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
    "onboard": ("edgeq.probe.power.onboard", "the board's own sensors: onboard:?rail=VDD_IN"),
    "ppk2": ("edgeq.probe.power.ppk2", "Nordic's Power Profiler Kit II: ppk2:/dev/ttyACM0?supply_v=3.3&pin=0"),
    "plug": ("edgeq.probe.power.plug", "a plug that measures, Shelly or Tasmota: plug:192.168.1.20"),
    "joulescope": ("edgeq.probe.power.joulescope", "a Joulescope: joulescope:SERIAL?pin=0"),
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
