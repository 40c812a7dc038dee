"""Which probes there are, which of them can work here, and which meters are plugged into this machine."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from edgeq.errors import UsageError
from edgeq.probe import PROBES

LIBRARIES = {"ppk2": ("ppk2_api", "edgeq[ppk2]"), "joulescope": ("pyjoulescope_driver", "edgeq[joulescope]")}
"""Scheme -> the library it needs, and what brings it."""
ADDRESSES = {"ppk2": "ppk2:{}?supply_v=3.3", "joulescope": "joulescope:{}"}
"""Scheme -> the address of what its `found` names."""


@dataclass(frozen=True)
class ProbeState:
    """One row: `addresses` of what is plugged in, `missing` the command that brings its library."""

    scheme: str
    what: str
    addresses: tuple[str, ...]
    missing: str = ""


def probe_states() -> list[ProbeState]:
    """All of the table, in its order."""
    return [_state(scheme, module, what) for scheme, (module, what) in PROBES.items()]


def _state(scheme: str, module: str, what: str) -> ProbeState:
    library, extra = LIBRARIES.get(scheme, ("", ""))
    if library and find_spec(library) is None:
        return ProbeState(scheme, what, (), f"pip install '{extra}'")
    if scheme not in ADDRESSES:
        return ProbeState(scheme, what, ())
    return ProbeState(scheme, what, tuple(ADDRESSES[scheme].format(name) for name in import_module(module).found()))


def feed_from(address: str) -> float:
    """Let the meter at `address` feed the board, which is then there to be benched; volts."""
    from edgeq.probe.power.ppk2 import open_address

    scheme, _, rest = address.partition(":")
    if scheme != "ppk2":
        raise UsageError(f"'{address}' feeds nothing.", "A PPK2 does: 'ppk2:PORT?supply_v=3.3'.")
    kit = open_address(rest)
    kit.feed()
    return kit.supply_v
