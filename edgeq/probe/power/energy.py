"""From power to energy: integration over a gate on the meter's own clock, idle power subtracted, with its uncertainty.

Every part of the uncertainty is a standard one (k = 1) here; they are independent, so they add as squares (GUM, 5.1.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.probe.power.meter import Meter
from edgeq.run import Series

Floats = NDArray[Any]
Gate = Sequence[tuple[float, float]]
"""When inferences ran, as (start, end) in seconds on the meter's clock; several windows are added up."""
BLOCKS, FEWEST = 20, 8
"""Of so many blocks of neighbours a mean's uncertainty is told; of fewer than the second it would be a guess."""
PERFECT = Meter("", "", "", gain_pct=0.0, accuracy="nothing is said of the meter's own accuracy", clock_ppm=0.0)


@dataclass(frozen=True)
class Idle:
    """Idle power below the gate: on the line through the means before and after, at the gate's middle.

    `noise_mw` is the uncertainty of the means, `drift_mw` that of not knowing how idle power went from one to the
    other; it is 0 where idle was seen on one side only (`sides`), and then nothing is known of a drift.
    """

    mw: float
    noise_mw: float
    drift_mw: float
    sides: str


@dataclass(frozen=True)
class GatedEnergy:
    """Energy inside a gate. `net_uj` has the idle power subtracted; it equals `gross_uj` where `idle` is None, that
    is, where the recording has fewer than two samples outside. `budget`: the parts of `uncertainty_uj`, in uJ."""

    gross_uj: float
    net_uj: float
    seconds: float
    idle: Idle | None
    budget: Mapping[str, float]

    @property
    def idle_mw(self) -> float | None:
        return self.idle.mw if self.idle else None

    @property
    def uncertainty_uj(self) -> float:
        """One standard deviation."""
        return hypot(*self.budget.values())


def gated_energy(power: Series, gate: Gate) -> GatedEnergy:
    """Integrate `power` (mW over `t_s`) inside `gate`; nothing is known of the meter's own accuracy."""
    t, p = np.asarray(power.t_s, np.float64), np.asarray(power.values, np.float64)
    return integrate(t, p, gate)


def integrate(
    t: Floats,
    p: Floats,
    gate: Gate,
    *,
    meter: Meter = PERFECT,
    step_s: float | None = None,
    busy: tuple[float, float] | None = None,
    edge_s: float | None = None,
    align_s: float = 0.0,
    smear_s: float = 0.0,
    resolved: bool = True,
) -> GatedEnergy:
    """Integrate `p` (mW) over `t` (s) inside `gate` by the trapezoid rule, on the meter's own sample clock.

    `busy`: idle is what lies outside of it (by default, of the gate's first start and last end, or else between its
    windows). `edge_s`: standard uncertainty of each edge of the gate; by default an edge lies anywhere within one
    sample interval. `align_s`: that of all edges together, where another clock tells them. `smear_s`: after each edge
    the meter's filter may still tell what was before, up to that long and each time the same way. `resolved`: whether
    the meter follows each inference; where it does not, its samples are draws from what happens, and their mean has an
    uncertainty, too.
    """
    if t.size < 2 or t.size != p.size:
        raise UsageError("Energy needs at least two power samples, each with its time.", "Record for longer.")
    _check_gate(gate, float(t[0]), float(t[-1]))
    gross_mj = sum(_integral(t, p, start, end) for start, end in gate)
    seconds = sum(end - start for start, end in gate)
    idle = idle_power(t, p, gate, busy)
    net_mj = gross_mj - (idle.mw * seconds if idle else 0.0)
    step = step_s or float(np.median(np.diff(t)))
    height = abs(net_mj / seconds)
    edge = step / sqrt(12) if edge_s is None else edge_s
    budget = {
        "edges": height * edge * sqrt(2 * len(gate)),
        "smear": height * smear_s * len(gate) / sqrt(3),
        "alignment": height * align_s,
        "idle_noise": idle.noise_mw * seconds if idle else 0.0,
        "idle_drift": idle.drift_mw * seconds if idle else 0.0,
        "lost": _lost(t, p, gate, step),
        "sampling": 0.0 if resolved else _standard_error(p[_inside(t, gate)]) * seconds,
        "meter": _meter(meter, gross_mj, idle, seconds),
        "supply": abs(net_mj) * meter.supply_pct / 100 / sqrt(3),
        "clock": abs(net_mj) * meter.clock_ppm * 1e-6 / sqrt(3),
    }
    parts = {name: float(value * 1e3) for name, value in budget.items() if value}
    return GatedEnergy(gross_mj * 1e3, net_mj * 1e3, seconds, idle, parts)


def energy_per_inference(power: Series, gate: Gate, inferences: int) -> tuple[float, float]:
    """(uJ, its standard uncertainty in uJ) of one of `inferences` that ran inside `gate`, idle power subtracted."""
    if inferences < 1:
        raise UsageError(
            f"Energy is shared among at least one inference; {inferences} were given.", "Count them again."
        )
    energy = gated_energy(power, gate)
    return energy.net_uj / inferences, energy.uncertainty_uj / inferences


def idle_power(t: Floats, p: Floats, gate: Gate, busy: tuple[float, float] | None = None) -> Idle | None:
    """Idle power from the samples before and after `busy`. Where nobody knows what else the device did (`busy` is
    None), they are those before and after the gate, or where there are none, those between its windows."""
    first, last = busy or (gate[0][0], gate[-1][1])
    before, after = t < first, t > last
    if before.sum() < 2 and after.sum() < 2:
        between = ~_inside(t, gate)
        if busy is not None or between.sum() < 2:
            return None
        return Idle(float(p[between].mean()), _standard_error(p[between]), 0.0, "between")
    if before.sum() < 2 or after.sum() < 2:
        side = before if before.sum() >= 2 else after
        sides = "before" if before.sum() >= 2 else "after"
        return Idle(float(p[side].mean()), _standard_error(p[side]), 0.0, sides)
    middle = (gate[0][0] + gate[-1][1]) / 2
    t0, t1 = float(t[before].mean()), float(t[after].mean())
    p0, p1 = float(p[before].mean()), float(p[after].mean())
    weight = (middle - t0) / (t1 - t0)
    noise = hypot((1 - weight) * _standard_error(p[before]), weight * _standard_error(p[after]))
    # Somewhere between the two means, as likely here as there: limits at half their distance.
    return Idle(p0 + (p1 - p0) * weight, noise, abs(p1 - p0) / 2 / sqrt(3), "before and after")


def _meter(meter: Meter, gross_mj: float, idle: Idle | None, seconds: float) -> float:
    """The meter's own accuracy. In one range an offset falls out with the idle power and the gain acts on what is
    left; with ranges that change, busy and idle have gains and offsets of their own."""
    gain, offset_mj = meter.gain_pct / 100 / sqrt(3), meter.offset_mw * seconds / sqrt(3)
    if idle is None:
        return hypot(gross_mj * gain, offset_mj)
    below_mj = idle.mw * seconds
    if meter.ranges:
        return hypot(gross_mj * gain, below_mj * gain, offset_mj, offset_mj)
    return abs(gross_mj - below_mj) * gain


def _check_gate(gate: Gate, first: float, last: float) -> None:
    if not gate:
        raise UsageError("The gate is empty: nothing says when the inferences ran.", "Give t_start and t_end.")
    previous = first
    for start, end in gate:
        if not (previous <= start < end <= last):
            raise UsageError(
                f"The gate {start:g} .. {end:g} s is not inside the recording, {first:g} .. {last:g} s, in order.",
                "Record all of it; a recording's t_start and t_end are seconds on the meter's clock.",
            )
        previous = end


def _lost(t: Floats, p: Floats, gate: Gate, step_s: float) -> float:
    """Where samples are missing, power is taken from those around; it may have been any that the gate has, or where it
    has none, any of the recording. In a hole across an edge, it changed at any moment from one end's to the other's."""
    gaps = np.diff(t) - step_s
    holes = np.flatnonzero(gaps > step_s / 2)
    starts, ends = np.array(gate).T
    last = np.searchsorted(starts, t[holes + 1]) - 1
    holes = holes[(last >= 0) & (ends[last] > t[holes])]
    if not holes.size:
        return 0.0
    seen = p[_inside(t, gate)]
    spread = float((seen if seen.size else p).std())
    changed = np.abs(p[holes + 1] - p[holes]) / sqrt(12)
    return float(np.sqrt(np.sum((gaps[holes] * np.maximum(changed, spread)) ** 2)))


def _inside(t: Floats, gate: Gate) -> NDArray[np.bool_]:
    inside = np.zeros(t.size, np.bool_)
    for start, end in gate:
        inside[np.searchsorted(t, start, "left") : np.searchsorted(t, end, "right")] = True
    return inside


def _standard_error(values: Floats) -> float:
    """Of the mean. Neighbours resemble each other (a slow meter tells a value twice), so where there are enough, means
    of blocks are what varies."""
    if values.size < 2:
        return 0.0
    blocks = min(BLOCKS, values.size // 2)
    if blocks >= FEWEST:
        each = values.size // blocks
        values = values[: each * blocks].reshape(blocks, each).mean(axis=1)
    return float(values.std(ddof=1)) / sqrt(values.size)


def _integral(t: Floats, p: Floats, start: float, end: float) -> float:
    """Trapezoids between `start` and `end`, whose powers are interpolated between samples; mW s = mJ."""
    first, last = int(np.searchsorted(t, start, "right")), int(np.searchsorted(t, end, "left"))
    around = slice(max(first - 1, 0), last + 1)
    edges = np.interp([start, end], t[around], p[around])
    times = np.concatenate(([start], t[first:last], [end]))
    powers = np.concatenate((edges[:1], p[first:last], edges[1:]))
    return float(np.sum((powers[1:] + powers[:-1]) / 2 * np.diff(times)))
