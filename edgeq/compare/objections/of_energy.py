"""Objections to how energy was metered: voltage, tier, scope, window."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from edgeq.compare.metrics import energy
from edgeq.compare.objections.check import AGAIN, ENERGY, Check, Pair, differs
from edgeq.run import Run

SUPPLY_WITHIN = 0.02
"""Supply voltages that differ by no more of the lower one are the same: a meter's setting and its reading do."""


def _supply(pair: Pair) -> str:
    before, after = pair.each(_supply_v)
    if not all(pair.each(energy)) or before is None or after is None:
        return ""
    if abs(before - after) <= SUPPLY_WITHIN * min(before, after):
        return ""
    return f"The supply voltages differ: {before:.3g} V and {after:.3g} V."


def _supply_v(run: Run) -> float | None:
    """Where the meter says it, else the middle of what the device read of its supply."""
    said = (run.energy or {}).get("supply_v")
    if isinstance(said, (int, float)):
        return float(said)
    series = run.one("voltage") or run.one("supply")
    return sorted(series.values)[len(series.values) // 2] if series and series.values else None


def _metered(key: str) -> Callable[[Run], Any]:
    """What the meter says; nothing where no energy was metered."""
    return lambda run: (run.energy or {}).get(key) if energy(run) else None


def _gate(run: Run) -> str:
    """How many pulses there were is no way of gating."""
    return re.sub(r"\d+ pulses", "pulses", str(_metered("gate")(run) or ""))


OTHER_SUPPLY = Check(
    "other_supply",
    "refuse",
    ENERGY,
    _supply,
    f"the supply voltages differ by more than {SUPPLY_WITHIN:.0%}",
    "Meter both at the same voltage: energy depends on it.",
)
OTHER_TIER = Check(
    "other_tier",
    "refuse",
    ENERGY,
    differs(_metered("tier"), "Energy is of different tiers: {} and {}."),
    "the power tiers (T1 to T3) differ",
    "Use the same kind of meter.",
)
OTHER_SCOPE = Check(
    "other_scope",
    "refuse",
    ENERGY,
    differs(_metered("scope"), "The meters saw different things: {} and {}."),
    "the meters saw different parts of the device",
    "Meter the same part.",
)
OTHER_GATE = Check(
    "other_gate",
    "warn",
    ENERGY,
    differs(_gate, "The meters were gated differently: {} and {}."),
    "the windows of the meters were found differently",
    AGAIN,
)
