"""The account of energy: what the meters recorded and what the device timed become energy per inference, its expanded
uncertainty (k = 2) and the budget of that (`Run.energy`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

from edgeq.errors import UsageError
from edgeq.probe.base import Probe
from edgeq.probe.power.energy import GatedEnergy, integrate
from edgeq.probe.power.gate import Found, Work, by_edges, by_markers, by_pin, held, work_of
from edgeq.probe.power.meter import Capture, Meter, PowerMeter, power_series
from edgeq.probe.power.onboard import Onboard
from edgeq.probe.power.rails import onboard, rail_series, readings, supply_v
from edgeq.probe.power.replay import Replay
from edgeq.probe.power.t0 import ProfilePower
from edgeq.run import Series

K = 2
"""Coverage factor: about 95 % (GUM, 6.3.3)."""
NO_METER = Meter("T1", "the board's own sensors", "", 0.0, "")


@dataclass(frozen=True)
class Account:
    """All series of the run, with those of power, gate and energy, and `Run.energy`."""

    series: tuple[Series, ...]
    energy: Mapping[str, Any] | None


def account(probes: Sequence[Probe], series: Sequence[Series], answer: Mapping[str, Any]) -> Account:
    """The best that there is: a meter beside the board, a recording that was given, one on it, the profile's model.

    `series` are all that the bench and the probes gave, `answer` what the device said (its `trace` has the readings of
    its own sensors, its `clock` and `began_ns` tie its clock to the host's). What cannot be gated is told as a
    `problem`, and never loses the bench.
    """
    emulated = any(item.how == "emulated" for item in series)
    # What an emulated board reads are the sensors of the machine that emulates it.
    work, rows = work_of(series, _every(answer)), [] if emulated else readings(answer)
    asked = next((probe for probe in probes if isinstance(probe, Onboard)), None)
    for probe in sorted((p for p in probes if isinstance(p, PowerMeter)), key=lambda p: p.meter.tier, reverse=True):
        try:
            capture = probe.capture()
        except UsageError as error:
            return _with(series, ([], _told(probe.meter, None, problem=f"{error.message} {error.hint}")))
        return _with(series, _metered(probe.meter, capture, work, probe.gate, probe.pulses, _began(answer)))
    replay = next((probe for probe in probes if isinstance(probe, Replay)), None)
    if replay is None and (rows or asked):
        found = _onboard(rows, asked.rail if asked else "", work)
        if found is not None:
            return _with([*series, *rail_series(rows)], found)
        if asked:
            return _with(series, ([], _told(NO_METER, None, problem=_unread(answer))))
    if replay is not None:
        return Account(tuple(_measured_only(series)), _checked(replay, None if emulated else work))
    t0 = next((probe for probe in probes if isinstance(probe, ProfilePower)), None)
    return _modelled(t0, series, work) if t0 else Account(tuple(series), None)


Metered = tuple[list[Series], dict[str, Any]]


def _with(series: Sequence[Series], metered: Metered) -> Account:
    return Account((*_measured_only(series), *metered[0]), metered[1])


def _measured_only(series: Sequence[Series]) -> list[Series]:
    """Where power was measured, what a profile models is no longer of interest."""
    return [item for item in series if item.name != "power" or item.how != "estimated"]


def _checked(replay: Replay, work: Work | None) -> Mapping[str, Any] | None:
    """A recording's account, held against what the device measured."""
    energy = replay.energy
    if energy is None or work is None:
        return energy
    return {**energy, "problem": held(energy["gate_s"], energy["inferences"], work, replay.edge_s, replay.windows)}


def _onboard(rows: Sequence[tuple[float, Mapping[str, Any]]], rail: str, work: Work | None) -> Metered | None:
    try:
        found = onboard(rows, rail)
    except UsageError as error:
        return [], _told(NO_METER, None, problem=f"{error.message} {error.hint}")
    if found is None:
        return None
    series, energy = _metered(*found, work, "markers", "all", None, own_clock=True)
    return series, {**energy, "supply_v": energy["supply_v"] or supply_v(rows)}


def _unread(answer: Mapping[str, Any]) -> str:
    """Why a board's own sensors tell nothing."""
    denied = (answer.get("before") or {}).get("denied")
    if denied:
        return f"The board's counters of energy are for another user: {denied[0]}. Run the agent's service as root."
    return "The board has no sensors of its power that are known here."


def _metered(
    meter: Meter,
    capture: Capture,
    work: Work | None,
    way: str,
    pulses: str,
    began: tuple[float, float] | None,
    own_clock: bool = False,
) -> Metered:
    if capture.t_s.size < 2:
        return [], _told(meter, capture, problem="The meter gave fewer than two samples.")
    series = [power_series(capture, meter)]
    if work is None:
        return series, _told(meter, capture, problem="The device told no times, so nothing says what ran when.")
    try:
        gate = _gate(capture, work, way, pulses, began, own_clock)
        energy = integrate(
            capture.t_s,
            capture.power_mw,
            gate.windows,
            meter=meter,
            step_s=capture.step_s,
            busy=_busy(capture, gate),
            edge_s=gate.edge_s,
            align_s=gate.align_s,
            smear_s=capture.smear_s,
            resolved=max(capture.step_s, capture.averaged_s) < work.p50_s / 2,
        )
    except UsageError as error:
        return series, _told(meter, capture, problem=f"{error.message} {error.hint}")
    told = _energy(meter, capture, gate, energy)
    edges = tuple(edge for window in _few(gate.windows) for edge in window)
    series.append(Series("gate", "s", "measured", edges, source=gate.how))
    series.append(_series(told, meter))
    return series, told


def _busy(capture: Capture, gate: Found) -> tuple[float, float]:
    """What is not idle: the bench as the host saw it, where it did (loading a model is work, too), and all of the
    gate."""
    if capture.bench is None:
        return gate.busy
    return min(capture.bench[0], gate.busy[0]), max(capture.bench[1], gate.busy[1])


def _gate(
    capture: Capture, work: Work, way: str, pulses: str, began: tuple[float, float] | None, own_clock: bool
) -> Found:
    """The way that was asked for, or the best there is: a pin, then the device's own times, then the edges."""
    if way == "pin" or (not way and capture.pin is not None):
        return by_pin(capture, work, pulses)
    if own_clock:
        return by_markers(capture, work)
    if way == "markers" or (not way and began is not None and capture.tie and work.span_s):
        if began is None or capture.tie is None:
            raise UsageError(
                "The device does not tie its clock to this machine's, so it gives no markers.",
                "Wire a trigger pin, or gate by 'gate=edges'.",
            )
        return by_markers(capture, work, began)
    return by_edges(capture, work)


def _few(windows: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """A run keeps the windows of up to a thousand pulses, of more the first begin and the last end."""
    return windows if len(windows) <= 1000 else ((windows[0][0], windows[-1][1]),)


def _every(answer: Mapping[str, Any]) -> int:
    """Of how many inferences one was timed: a long bench of a fast model runs them all and times some."""
    every = answer.get("timed_every")
    return every if isinstance(every, int) and every > 1 else 1


def _began(answer: Mapping[str, Any]) -> tuple[float, float] | None:
    """The host's monotonic time at which the device's bench began, and its standard uncertainty, from readings of the
    device's clock (`clock`: ns there, seconds here before and after) and of its begin (`began_ns`)."""
    rows, began = answer.get("clock") or (), answer.get("began_ns")
    if not rows or not isinstance(began, (int, float)):
        return None
    # The reading with the shortest round trip is the one known best: it lies anywhere within it.
    ns, before, after = min(rows, key=lambda row: row[2] - row[1])
    return (before + after) / 2 + (began - ns) / 1e9, (after - before) / 2 / 3**0.5


def _energy(meter: Meter, capture: Capture, gate: Found, energy: GatedEnergy) -> dict[str, Any]:
    each = energy.net_uj / gate.inferences
    budget = {name: value / gate.inferences for name, value in energy.budget.items()}
    if gate.count_u:
        budget["count"] = abs(each) * gate.count_u / gate.inferences
    told = _told(meter, capture, problem=gate.problem)
    told.update(
        gate=gate.how,
        idle_mw=energy.idle_mw,
        idle=f"subtracted, from {energy.idle.sides} the inferences" if energy.idle else "not known, so not subtracted",
        energy_uj=each,
        uncertainty_uj=K * hypot(*budget.values()),
        budget=budget,
        inferences=gate.inferences,
        gate_s=gate.seconds,
        pulses=gate.pulses,
    )
    return told


def _told(meter: Meter, capture: Capture | None, problem: str = "") -> dict[str, Any]:
    """`Run.energy`, as far as a meter alone says it."""
    return {
        "tier": meter.tier,
        "meter": meter.name,
        "scope": meter.scope,
        "accuracy": meter.accuracy,
        "gate": None,
        "idle_mw": None,
        "supply_v": capture.supply_v if capture else None,
        "energy_uj": None,
        "uncertainty_uj": None,
        "budget": None,
        "inferences": None,
        "samples": int(capture.t_s.size) if capture else 0,
        "lost_samples": capture.lost if capture else 0,
        "problem": " ".join(filter(None, (*(capture.notes if capture else ()), problem))),
    }


def _series(told: Mapping[str, Any], meter: Meter) -> Series:
    """`energy` of the run; its `error_pct` is the expanded uncertainty (k = 2)."""
    value = float(told["energy_uj"])
    error = told["uncertainty_uj"] / abs(value) * 100 if value else 0.0
    idle = f"idle {told['idle_mw']:.4g} mW subtracted" if told["idle_mw"] is not None else "idle power not subtracted"
    source = f"{meter.name}, {meter.tier}: {told['inferences']} inferences in {told['gate_s']:.4g} s by {told['gate']}"
    return Series("energy", "uj", "measured", (value,), error_pct=error, source=f"{source}, {idle}; +- at k = 2")


def _modelled(t0: ProfilePower, series: Sequence[Series], work: Work | None) -> Account:
    """Modelled power times measured p50 latency; never an emulated latency, which says nothing about the hardware."""
    invoke = next((item for item in series if item.name == "invoke"), None)
    if work is None or invoke is None or invoke.how != "measured" or any(item.name == "energy" for item in series):
        return Account(tuple(series), None)
    value = t0.power.active_mw * work.p50_s * 1e3
    unsure = value * t0.power.error_pct / 100
    meter = Meter("T0", "the target's profile", "the whole board, idle included; modelled", 0.0, t0.power.source)
    told = _told(meter, None)
    told.update(
        gate="p50 latency",
        supply_v=t0.power.supply_v,
        energy_uj=value,
        uncertainty_uj=unsure,
        budget={"model": unsure / K},
        inferences=1,
    )
    source = f"power times p50 latency; tier 0, profile {t0.target}: {t0.power.source}"
    estimated = Series("energy", "uj", "estimated", (value,), error_pct=t0.power.error_pct, source=source)
    return Account((*series, estimated), told)
