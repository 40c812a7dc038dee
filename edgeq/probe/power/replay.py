"""Power replayed from a meter's recording: `replay:FILE.csv?inferences=100&t_start=1.5&t_end=4.0`.

Options: `t_start` and `t_end` (seconds on the meter's clock) or `gate=COLUMN` (a marker of 0 and 1; a column called
`gate` is found by itself) say when the inferences ran, `inferences` how many; `supply_v` stands in where only current
was recorded; `error_pct` is the limit of the meter's own error, `tier` what kind of meter it was. With a gate and a
count there is energy per inference, idle power subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.errors import UsageError
from edgeq.probe.power.energy import Gate, integrate
from edgeq.probe.power.meter import Meter
from edgeq.probe.power.options import Options, read_options
from edgeq.probe.power.recording import Recording, read_recording
from edgeq.run import Series
from edgeq.target import TargetProfile

OPTIONS = ("t_start", "t_end", "gate", "inferences", "supply_v", "error_pct", "tier")
TIERS = ("T1", "T2", "T3")


@dataclass
class Replay:
    """A recording that plays the part of a meter. Read at `start`, so a bad file is told before the bench."""

    path: Path
    options: Options
    energy: Mapping[str, Any] | None = None
    """What a run keeps (`Run.energy`), where a gate and a count are known."""
    edge_s: float = 0.0
    """Standard uncertainty of each edge of the gate: it lies anywhere between two samples."""
    windows: int = 1
    """How many the gate has: one for all inferences, or one for each."""
    _series: list[Series] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.options.name

    def start(self) -> None:
        supply_v = self.options.number("supply_v")
        recording = read_recording(self.path, gate=self.options.given.get("gate", "gate"), supply_v=supply_v)
        source = f"meter's recording {self.path.name}"
        power = Series("power", "mw", "measured", recording.power_mw, t_s=recording.t_s, source=source)
        gate = self._gate(recording)
        self._series = [power]
        self.edge_s = float(np.median(np.diff(power.t_s))) / 12**0.5
        if gate:
            self.windows = len(gate)
            edges = tuple(edge for window in gate for edge in window)
            self._series.append(Series("gate", "s", "measured", edges, source=source))
        inferences = self.options.number("inferences")
        if inferences is not None:
            self._series.append(self._energy(power, gate, inferences, supply_v))

    def stop(self) -> Sequence[Series]:
        return self._series

    def _gate(self, recording: Recording) -> Gate:
        start, end = self.options.number("t_start"), self.options.number("t_end")
        if start is None and end is None:
            return recording.windows()
        first, last = recording.t_s[0], recording.t_s[-1]
        return ((first if start is None else start, last if end is None else end),)

    def _meter(self, source: str) -> Meter:
        error = self.options.error_pct()
        told = "nothing is said of the meter's own accuracy" if error is None else "as 'error_pct' says"
        tier = self.options.choice("tier", TIERS, "T2")
        return Meter(tier, source, "what the meter was wired to", error or 0.0, told, clock_ppm=0.0, ranges=True)

    def _energy(self, power: Series, gate: Gate, inferences: float, supply_v: float | None) -> Series:
        if not inferences.is_integer() or inferences < 1:
            raise UsageError(f"'inferences={inferences:g}' in '{self.name}' is not a count.", "Give a whole number.")
        if not gate:
            raise UsageError(
                f"{self.path}: nothing says when the {inferences:.0f} inferences ran.",
                "Add '&t_start=..&t_end=..' to the address, or a marker column 'gate'.",
            )
        meter = self._meter(power.source)
        energy = integrate(np.asarray(power.t_s), np.asarray(power.values), gate, meter=meter)
        value, expanded = energy.net_uj / inferences, 2 * energy.uncertainty_uj / inferences
        self.energy = {
            "tier": meter.tier,
            "meter": meter.name,
            "scope": meter.scope,
            "accuracy": meter.accuracy,
            "gate": "given" if "t_start" in self.options.given or "t_end" in self.options.given else "marker column",
            "idle_mw": energy.idle_mw,
            "supply_v": supply_v,
            "energy_uj": value,
            "uncertainty_uj": expanded,
            "budget": {name: part / inferences for name, part in energy.budget.items()},
            "inferences": int(inferences),
            "gate_s": energy.seconds,
            "problem": "",
        }
        idle = f"idle {energy.idle_mw:.4g} mW subtracted" if energy.idle_mw is not None else "idle power not subtracted"
        source = f"{power.source}: {inferences:.0f} inferences in {energy.seconds:.4g} s, {idle}; +- at k = 2"
        source += "" if meter.gain_pct else ", without the meter's own error"
        relative = expanded / abs(value) * 100 if value else 0.0
        return Series("energy", "uj", "measured", (value,), error_pct=relative, source=source)


def open_address(rest: str, target: TargetProfile) -> Replay:  # noqa: ARG001 - a factory's fixed signature
    """`rest` is `FILE.csv` or `FILE.csv?option=value&...`."""
    options = read_options("replay", rest, OPTIONS)
    if not options.where:
        raise UsageError("The probe 'replay:' needs a file.", "Write 'replay:FILE.csv'.")
    options.choice("tier", TIERS, "T2")
    options.error_pct()
    return Replay(Path(options.where), options)
