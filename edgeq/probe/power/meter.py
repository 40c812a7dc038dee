"""What is known of a meter, and what it recorded, at its full rate and on its own clock.

Limits of error are half widths, as data sheets state them: the error lies anywhere within, so its standard
uncertainty is the limit / sqrt(3) (GUM, 4.3.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgeq.probe.base import Probe
from edgeq.run import Series

Floats = NDArray[np.float64]
TIDYING_S = 0.05
"""How long a device may still be busy when the bench has come back: its process ends."""
CLOCK_OFF = 2e-4
"""How far two quartz clocks may be apart: 100 ppm each."""
MOST_POINTS = 10_000
"""Samples of power that a run keeps; of more, means are kept."""


@dataclass(frozen=True)
class Meter:
    """One instrument. `scope` says what it sees and what it does not; `accuracy` where the limits come from."""

    tier: str
    name: str
    scope: str
    gain_pct: float
    accuracy: str
    offset_mw: float = 0.0
    supply_pct: float = 0.0
    """Limit of the supply voltage's error, where the meter measures only current."""
    clock_ppm: float = 100.0
    ranges: bool = False
    """Whether it changes ranges by itself: idle and busy then have errors of their own, that do not cancel."""


@dataclass(frozen=True)
class Tie:
    """Two clocks at one moment, in seconds: `meter_s` was when `host_s` was, known to `u_s` (standard uncertainty), and
    `rate` of the meter's seconds pass in one of the host's."""

    host_s: float
    meter_s: float
    u_s: float
    rate: float = 1.0

    def to_meter(self, host_s: float) -> float:
        """The meter's time at `host_s` of the host's monotonic clock."""
        return self.meter_s + (host_s - self.host_s) * self.rate


def tie_of(host: Sequence[float], meter: Sequence[float], floor_s: float = 0.0) -> Tie | None:
    """From times of arrival at the host and the meter's times of what arrived then.

    Data comes late, never early, so the earliest tells the offset; how far the earliest tenth lies behind it says how
    well, with `floor_s` for what all have in common. The rate is that of the earliest of each half, as far as two
    quartz clocks can differ: a machine that was busy for a while must not stretch time.
    """
    if len(host) < 2 or len(host) != len(meter):
        return None
    came, own = np.asarray(host, np.float64), np.asarray(meter, np.float64)
    late, half = came - own, len(came) // 2
    first, last, best = int(np.argmin(late[:half])), half + int(np.argmin(late[half:])), int(np.argmin(late))
    passed = float(came[last] - came[first])
    off = float(late[first] - late[last]) / passed if passed > 0 else 0.0
    rate = 1.0 + min(max(off, -CLOCK_OFF), CLOCK_OFF)
    spread = float(np.quantile(late, 0.1) - late[best])
    return Tie(float(came[best]), float(own[best]), float(np.hypot(spread, floor_s / 3**0.5)), rate)


@dataclass(frozen=True)
class Capture:
    """`t_s` never decreases, `power_mw` alike; `pin` is the trigger's level at each sample, where one is wired.

    `tie` holds the meter's clock to the host's monotonic one. `step_s` is the time between two samples.
    """

    t_s: Floats
    power_mw: Floats
    step_s: float
    pin: NDArray[np.bool_] | None = None
    tie: Tie | None = None
    supply_v: float | None = None
    lost: int = 0
    """Samples that the meter took and that did not arrive."""
    averaged_s: float = 0.0
    """How long the meter averages before it tells a value, where that is longer than a step."""
    smear_s: float = 0.0
    """How long after a step of power the meter's own filter still tells what was before."""
    bench: tuple[float, float] | None = None
    """From when to when the bench ran, at most; the device was idle before and after."""
    notes: tuple[str, ...] = ()

    def around(self, begin_s: float, end_s: float) -> Capture:
        """The same, with the host's monotonic times at which the bench began and ended."""
        if self.tie is None:
            return self
        return replace(self, bench=(self.tie.to_meter(begin_s), self.tie.to_meter(end_s) + TIDYING_S))


@runtime_checkable
class PowerMeter(Probe, Protocol):
    """A probe whose recording becomes energy. `gate` is how the user wants it gated, '' for the best there is."""

    meter: Meter
    gate: str
    pulses: str

    def capture(self) -> Capture:
        """What was recorded; after `stop`."""


def power_series(capture: Capture, meter: Meter, how: str = "measured") -> Series:
    """`power` of a run: all samples, or the means of equally many consecutive ones, which keep the energy."""
    each = -(-capture.t_s.size // MOST_POINTS)
    source = f"{meter.name}, {meter.tier}: {meter.scope}"
    if each > 1:
        source += f"; means of {each} samples"
    t, p = means(capture.t_s, each), means(capture.power_mw, each)
    return Series("power", "mw", how, tuple(map(float, p)), t_s=tuple(map(float, t)), source=source)


def means(values: Floats, each: int) -> Floats:
    """Means of `each` consecutive values; the last of what is left."""
    if each <= 1 or not values.size:
        return values
    whole = values.size // each * each
    found: list[Any] = [values[:whole].reshape(-1, each).mean(axis=1)]
    if whole < values.size:
        found.append([values[whole:].mean()])
    return np.concatenate(found)
