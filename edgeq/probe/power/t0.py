"""Tier 0: power as the target profile models it. It watches nothing, and says so with its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.errors import UsageError
from edgeq.run import Series
from edgeq.target import Power, TargetProfile


@dataclass(frozen=True)
class ProfilePower:
    """One value: the board's power under load."""

    power: Power
    target: str
    name: str = "t0:"

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> Sequence[Series]:
        source = f"tier 0, profile {self.target}, at {self.power.supply_v:g} V: {self.power.source}"
        return [
            Series("power", "mw", "estimated", (self.power.active_mw,), error_pct=self.power.error_pct, source=source)
        ]


def open_address(rest: str, target: TargetProfile) -> ProfilePower:
    """`t0:` takes nothing behind the colon; a profile without a [power] table has nothing to offer."""
    if rest:
        raise UsageError(f"The probe 't0:' takes nothing behind the colon; it was given '{rest}'.", "Write 't0:'.")
    if target.power is None:
        raise UsageError(
            f"The target profile '{target.name}' has no [power] table, so 't0:' has nothing to estimate from.",
            f"Add [power] to {target.path.name}, or use a meter's recording: 'replay:FILE.csv'.",
        )
    return ProfilePower(target.power, target.name)
