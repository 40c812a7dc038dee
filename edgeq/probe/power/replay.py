"""Power replayed from a meter's recording: `replay:FILE.csv?inferences=100&t_start=1.5&t_end=4.0`.

Options: `t_start` and `t_end` (seconds on the meter's clock) or `gate=COLUMN` (a marker of 0 and 1; a column called
`gate` is found by itself) say when the inferences ran, `inferences` how many; `supply_v` stands in where only current
was recorded; `error_pct` is the meter's own accuracy. With a gate and a count there is energy per inference, idle
power subtracted.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from edgeq.errors import UsageError
from edgeq.probe.power.energy import Gate, gated_energy
from edgeq.probe.power.recording import Recording, read_recording
from edgeq.run import Series
from edgeq.target import TargetProfile

OPTIONS = ("t_start", "t_end", "gate", "inferences", "supply_v", "error_pct")


@dataclass
class Replay:
    """A recording that plays the part of a meter. Read at `start`, so a bad file is told before the bench."""

    path: Path
    options: dict[str, str]
    name: str
    _series: list[Series] = field(default_factory=list)

    def start(self) -> None:
        supply_v, error_pct = self._number("supply_v"), self._number("error_pct") or 0.0
        recording = read_recording(self.path, gate=self.options.get("gate", "gate"), supply_v=supply_v)
        source = f"meter's recording {self.path.name}"
        power = Series("power", "mw", "measured", recording.power_mw, t_s=recording.t_s, source=source)
        gate = self._gate(recording)
        self._series = [power]
        if gate:
            edges = tuple(edge for window in gate for edge in window)
            self._series.append(Series("gate", "s", "measured", edges, source=source))
        inferences = self._number("inferences")
        if inferences is not None:
            self._series.append(self._energy(power, gate, inferences, error_pct))

    def stop(self) -> Sequence[Series]:
        return self._series

    def _gate(self, recording: Recording) -> Gate:
        start, end = self._number("t_start"), self._number("t_end")
        if start is None and end is None:
            return recording.windows()
        first, last = recording.t_s[0], recording.t_s[-1]
        return ((first if start is None else start, last if end is None else end),)

    def _energy(self, power: Series, gate: Gate, inferences: float, error_pct: float) -> Series:
        if not inferences.is_integer() or inferences < 1:
            raise UsageError(f"'inferences={inferences:g}' in '{self.name}' is not a count.", "Give a whole number.")
        if not gate:
            raise UsageError(
                f"{self.path}: nothing says when the {inferences:.0f} inferences ran.",
                "Add '&t_start=..&t_end=..' to the address, or a marker column 'gate'.",
            )
        energy = gated_energy(power, gate)
        value = energy.net_uj / inferences
        relative = abs(energy.uncertainty_uj / energy.net_uj) * 100 if energy.net_uj else 0.0
        idle = f"idle {energy.idle_mw:.4g} mW subtracted" if energy.idle_mw is not None else "idle power not subtracted"
        source = f"{power.source}: {inferences:.0f} inferences in {energy.seconds:.4g} s, {idle}"
        return Series("energy", "uj", "measured", (value,), error_pct=math.hypot(relative, error_pct), source=source)

    def _number(self, key: str) -> float | None:
        text = self.options.get(key)
        try:
            value = None if text is None else float(text)
        except ValueError:
            value = math.nan
        if value is not None and not math.isfinite(value):
            raise UsageError(f"'{key}={text}' in '{self.name}' is not a number.", f"Give '{key}' as a plain number.")
        return value


def open_address(rest: str, target: TargetProfile) -> Replay:  # noqa: ARG001 - a factory's fixed signature
    """`rest` is `FILE.csv` or `FILE.csv?option=value&...`."""
    file, _, query = rest.partition("?")
    if not file:
        raise UsageError("The probe 'replay:' needs a file.", "Write 'replay:FILE.csv'.")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key in options:
        if key not in OPTIONS:
            near = difflib.get_close_matches(key, OPTIONS, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known options are {', '.join(OPTIONS)}."
            raise UsageError(f"The probe 'replay:' has no option '{key}'.", hint)
    return Replay(Path(file), options, f"replay:{rest}")
