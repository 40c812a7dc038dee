"""Power and energy, with what their uncertainty is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeq.report.figures import Figure, mapping, number
from edgeq.run import Run, Series
from edgeq.stats import summarize

TIERS = {
    "T0": "modelled from the target's profile",
    "T1": "a sensor on the board",
    "T2": "a meter of the USB or PPK2 class",
    "T3": "a laboratory meter",
}


def power(run: Run) -> Iterator[Figure]:
    """Power while inferences ran, and energy per inference."""
    watched, energy = run.one("power"), run.one("energy")
    if watched and watched.values:
        gate = run.one("gate")
        label = "Power under load" if len(watched.values) == 1 else "Power inside the gate" if gate else "Mean power"
        gated = _gated(run) if gate else None
        value = time_mean(watched, gate.values if gate else ()) if gated is None else gated
        yield Figure("power", label, value, "mw", watched.how, error_pct=watched.error_pct, source=watched.source)
    if energy and energy.values:
        value = summarize(energy.values).mean
        low, high = _expanded(run, value)
        error = energy.error_pct if high is None or not value else (high - value) / value * 100
        yield Figure(
            "energy", "Energy per inference", value, "uj", energy.how, low, high, error_pct=error, source=energy.source
        )
    idle = number(mapping(run.energy).get("idle_mw"))
    if idle is not None and watched:
        yield Figure("idle", "Idle power, subtracted", idle, "mw", watched.how, source=watched.source)


def _gated(run: Run) -> float | None:
    """Power inside the gate, from the energy that was integrated at the meter's full rate: the means that a run keeps
    may be longer than a pulse of the gate, and then they hold what lies between pulses, too."""
    told = mapping(run.energy)
    each, count, seconds = (number(told.get(key)) for key in ("energy_uj", "inferences", "gate_s"))
    if each is None or count is None or not seconds:
        return None
    return each * count / seconds / 1e3 + (number(told.get("idle_mw")) or 0.0)


def _expanded(run: Run, value: float) -> tuple[float | None, float | None]:
    """The ends of the stated uncertainty (k = 2), which is about 95 %."""
    uncertainty = number(mapping(run.energy).get("uncertainty_uj"))
    return (None, None) if uncertainty is None else (value - uncertainty, value + uncertainty)


def budget(run: Run) -> tuple[Figure, ...]:
    """Each part of the energy's standard uncertainty, the largest first."""
    energy = run.one("energy")
    how = energy.how if energy else "measured"
    told = mapping(mapping(run.energy).get("budget"))
    parts = [(str(name), value) for name, each in told.items() if (value := number(each)) is not None]
    return tuple(
        Figure(f"budget_{name}", name.replace("_", " ").capitalize(), value, "uj", how)
        for name, value in sorted(parts, key=lambda part: -part[1])
    )


def meter_words(run: Run) -> Iterator[tuple[str, str]]:
    """What watched, and how: label and text."""
    told = mapping(run.energy)
    tier, supply, count = str(told.get("tier") or ""), number(told.get("supply_v")), number(told.get("inferences"))
    rows = (
        ("Tier", f"{tier}, {TIERS[tier]}" if tier in TIERS else tier),
        ("Meter", told.get("meter")),
        ("What it sees", told.get("scope")),
        ("Gate", told.get("gate")),
        ("Supply", None if supply is None else f"{supply:g} V"),
        ("Inferences", None if count is None else f"{count:,.0f} inside the gate"),
    )
    yield from ((label, str(text)) for label, text in rows if text)


def time_mean(series: Series, gate: Sequence[float]) -> float:
    """The mean over time where samples have their times (inside the gate's windows, if any), else over samples."""
    t, v = series.t_s, series.values
    if len(t) != len(v) or len(t) < 2:
        return summarize(v).mean
    windows = list(zip(gate[::2], gate[1::2], strict=False)) or [(t[0], t[-1])]
    area = seconds = 0.0
    for i in range(len(t) - 1):
        if any(start <= t[i] and t[i + 1] <= end for start, end in windows):
            area += (v[i] + v[i + 1]) / 2 * (t[i + 1] - t[i])
            seconds += t[i + 1] - t[i]
    return area / seconds if seconds > 0 else summarize(v).mean
