"""Tier 1: the board's own sensors, `onboard:?rail=VDD_IN`. They are read on the board while it benches, so this probe
only says which rail is wanted; without it, the rail that stands for the most of the board is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.errors import UsageError
from edgeq.probe.power.options import read_options
from edgeq.run import Series
from edgeq.target import TargetProfile


@dataclass(frozen=True)
class Onboard:
    """`rail` is empty for the one that stands for the most of the board."""

    rail: str
    name: str

    def start(self) -> None:
        """The device's agent reads them."""

    def stop(self) -> Sequence[Series]:
        return ()


def open_address(rest: str, target: TargetProfile) -> Onboard:
    """`rest` is empty or `?rail=NAME`; a microcontroller has no agent that could read its sensors."""
    options = read_options("onboard", rest, ("rail",))
    if options.where:
        raise UsageError(
            f"The probe 'onboard:' takes only options; it was given '{options.where}'.", "Write 'onboard:?rail=NAME'."
        )
    if target.kind == "mcu":
        raise UsageError(
            f"'{target.name}' is a microcontroller: nothing reads sensors on it.", "Use a meter, such as 'ppk2:PORT'."
        )
    return Onboard(options.given.get("rail", ""), options.name)
