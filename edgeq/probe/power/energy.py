"""From power to energy per inference: integration over a gate, or power times latency where both are trustworthy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.run import Series
from edgeq.stats import summarize

Floats = NDArray[Any]
Gate = Sequence[tuple[float, float]]
"""When inferences ran, as (start, end) in seconds on the meter's clock; several windows are added up."""


@dataclass(frozen=True)
class GatedEnergy:
    """Energy inside a gate. `net_uj` has the idle power subtracted; it equals `gross_uj` where `idle_mw` is None,
    that is, where the recording has fewer than two samples outside the gate."""

    gross_uj: float
    net_uj: float
    uncertainty_uj: float
    seconds: float
    idle_mw: float | None


def gated_energy(power: Series, gate: Gate) -> GatedEnergy:
    """Integrate `power` (mW over `t_s`) inside `gate` by the trapezoid rule, on the meter's own sample clock.

    The uncertainty is one standard deviation from two causes: each edge of the gate lies somewhere within one sample
    interval, and the idle mean is known from finitely many samples. The meter's own accuracy is not in it.
    """
    t, p = np.asarray(power.t_s, np.float64), np.asarray(power.values, np.float64)
    if t.size < 2 or t.size != p.size:
        raise UsageError("Energy needs at least two power samples, each with its time.", "Record for longer.")
    _check_gate(gate, float(t[0]), float(t[-1]))
    gross_mj = sum(_integral(t, p, start, end) for start, end in gate)
    seconds = sum(end - start for start, end in gate)
    outside = p[~_inside(t, gate)]
    idle = float(outside.mean()) if outside.size > 1 else None
    step = float(np.median(np.diff(t)))
    height = gross_mj / seconds - (idle or 0.0)
    # An edge is uniformly distributed within one interval: its standard deviation is interval / sqrt(12).
    edges_mj = abs(height) * step / sqrt(12) * sqrt(2 * len(gate))
    idle_mj = float(outside.std(ddof=1)) / sqrt(outside.size) * seconds if idle is not None else 0.0
    net_mj = gross_mj - (idle or 0.0) * seconds
    return GatedEnergy(gross_mj * 1e3, net_mj * 1e3, hypot(edges_mj, idle_mj) * 1e3, seconds, idle)


def energy_per_inference(power: Series, gate: Gate, inferences: int) -> tuple[float, float]:
    """(uJ, its uncertainty in uJ) of one of `inferences` that ran inside `gate`, idle power subtracted where known."""
    if inferences < 1:
        raise UsageError(
            f"Energy is shared among at least one inference; {inferences} were given.", "Count them again."
        )
    energy = gated_energy(power, gate)
    return energy.net_uj / inferences, energy.uncertainty_uj / inferences


def _check_gate(gate: Gate, first: float, last: float) -> None:
    if not gate:
        raise UsageError("The gate is empty: nothing says when the inferences ran.", "Give t_start and t_end.")
    previous = first
    for start, end in gate:
        if not (previous <= start < end <= last):
            raise UsageError(
                f"The gate {start:g} .. {end:g} s is not inside the recording, {first:g} .. {last:g} s, in order.",
                "Give t_start and t_end in seconds on the meter's clock, t_start first.",
            )
        previous = end


def _inside(t: Floats, gate: Gate) -> NDArray[np.bool_]:
    inside = np.zeros(t.size, np.bool_)
    for start, end in gate:
        inside |= (t >= start) & (t <= end)
    return inside


def _integral(t: Floats, p: Floats, start: float, end: float) -> float:
    """Trapezoids between `start` and `end`, whose powers are interpolated between samples; mW s = mJ."""
    between = (t > start) & (t < end)
    times = np.concatenate(([start], t[between], [end]))
    powers = np.concatenate((np.interp([start], t, p), p[between], np.interp([end], t, p)))
    return float(np.sum((powers[1:] + powers[:-1]) / 2 * np.diff(times)))


def energy_series(series: Iterable[Series]) -> list[Series]:
    """Energy per inference from modelled power and *measured* latency, as a list of one series or none.

    Never from an emulated latency, which says nothing about the hardware, and not where a meter already gave it.
    """
    named = {item.name: item for item in series}
    power, invoke = named.get("power"), named.get("invoke")
    if "energy" in named or power is None or invoke is None or power.how != "estimated":
        return []
    if invoke.how != "measured" or not invoke.values or power.error_pct is None:
        return []
    p50_s = summarize(invoke.values).p50 * 1e-9
    value = power.values[0] * p50_s * 1e3
    source = f"power times p50 latency; {power.source}"
    return [Series("energy", "uj", "estimated", (value,), error_pct=power.error_pct, source=source)]
