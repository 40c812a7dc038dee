"""Tier 1: what the board's own sensors told while it benched (`edgeq.agent.rails`), as one meter on the device's clock.

Which rail stands for the board, what it sees and how well, is told here. Jetson's rails are named in NVIDIA's
developer guides and gathered in energymon's `jetson/JetsonPowerRails.md`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from edgeq.errors import UsageError
from edgeq.probe.power.meter import Capture, Floats, Meter
from edgeq.run import Series

WHOLE = ("VDD_IN", "POM_5V_IN", "5V_IN", "VIN")
"""Rails that feed a whole module; `BESIDE` feed the carrier board, from the same input."""
BESIDE = ("VDD_MUX",)
WITHIN = ("VDDQ_VDD2_1V8AO",)
"""Rails that lie behind another one that is counted (AGX Orin: behind VIN_SYS_5V0)."""
_SHUNT = "and a shunt of 1 %, which is assumed: makers of boards do not state it"
_INA219 = (2.0, 5.0, f"0.5 to 1 % over temperature (TI SBOS448, SBOS459, first pages) {_SHUNT}")
CHIPS = {
    "ina3221": (1.5, 80.0, f"gain 0.25 %, offset 80 uV (here over 5 mOhm at 5 V; TI SBOS576, first page) {_SHUNT}"),
    "ina219": _INA219,
    "ina220": _INA219,
    "ina226": (
        *(1.4, 10.0),
        f"gains 0.1 % each, offsets 10 uV and 7.5 mV (here over 5 mOhm at 5 V; TI SBOS547B, 5.5) {_SHUNT}",
    ),
    "ina228": (
        1.5,
        1.0,
        f"power 0.5 % of full scale, offset 1 uV (TI SLYS022A, of the INA228-Q1, first page) {_SHUNT}",
    ),
    "ina238": (1.7, 5.0, f"power 0.7 % of full scale, offset 5 uV (TI's data sheet of the INA238-Q1, 6.5) {_SHUNT}"),
}
"""Chip -> limits of the relative error in percent and of the offset in mW, and where they come from."""
OTHER_CHIP = (3.0, 100.0, "3 % is assumed: nothing is known of this chip here")
PMIC = Meter(
    "T1",
    "Raspberry Pi 5 PMIC",
    "the 12 rails that the PMIC feeds and measures; not what hangs on 5 V (USB, HATs, fan) nor the PMIC's own losses",
    gain_pct=15.0,
    accuracy="no limits are published; against a USB meter a board took 1.13 times the sum plus 0.64 W"
    " (github.com/jfikar/RPi5-power), others 1.15 times",
)
RAPL = Meter(
    "T1",
    "RAPL",
    "the processor's package (and its memory, where it counts that); neither board, disks nor power supply",
    gain_pct=10.0,
    accuracy="Intel and AMD state no limits; 10 % is assumed. A model on many processors, off by a constant power most"
    " of all (doi.org/10.1145/2989081.2989088), which falls out with idle",
)
BATTERY = Meter(
    "T1",
    "battery's fuel gauge",
    "all that the battery feeds: screen and radios, too",
    gain_pct=10.0,
    accuracy="not stated by the makers; 10 % is assumed. Gauges average over a second or more",
)
GAUGE_S = 1.0
TICK_S = 1e-6


def readings(answer: Mapping[str, Any]) -> list[tuple[float, Mapping[str, Any]]]:
    """(seconds since the bench began, what `edgeq.agent.rails.read` said) of each row of a bench's `trace`."""
    found = []
    ranges = (answer.get("before") or {}).get("range_uj") or {}
    for row in answer.get("trace") or ():
        if isinstance(row, Mapping) and isinstance(row.get("t_ns"), (int, float)):
            said = {key: row[key] for key in ("rails", "energy_uj") if row.get(key)}
            if said:
                said["rest"] = row.get("rest") is True
                found.append((row["t_ns"] / 1e9, {**said, "range_uj": row.get("range_uj") or ranges}))
    return sorted(found, key=lambda item: item[0])


def onboard(rows: Sequence[tuple[float, Mapping[str, Any]]], rail: str = "") -> tuple[Meter, Capture] | None:
    """The board's own sensors as a meter: `rail`, or what stands for the most of the board; None where nothing does."""
    found = _onboard(rows, rail)
    return found and (found[0], replace(found[1], bench=bench_of(rows)))


def bench_of(rows: Sequence[tuple[float, Mapping[str, Any]]]) -> tuple[float, float] | None:
    """From when to when the board was not at rest, where it was read at rest."""
    rest = [t for t, said in rows if said.get("rest")]
    if not rest:
        return None
    before, after = [t for t in rest if t < 0], [t for t in rest if t >= 0]
    return (max(before, default=-math.inf) + TICK_S, min(after, default=math.inf) - TICK_S)


def _onboard(rows: Sequence[tuple[float, Mapping[str, Any]]], rail: str) -> tuple[Meter, Capture] | None:
    powers, counters = _powers(rows), _counters(rows)
    if rail:
        return _chosen(rail, powers, counters)
    shunts = {name: item for name, item in powers.items() if item[2] == "hwmon"}
    whole = [name for name in shunts if name in WHOLE]
    if whole:
        return _summed([*whole, *(name for name in shunts if name in BESIDE)], powers)
    for kind in ("pmic", "hwmon", "battery"):
        names = [name for name, item in powers.items() if item[2] == kind and name not in WITHIN]
        if names:
            return _summed(names, powers)
    psys = [name for name in counters if name == "psys"]
    packages = [name for name in counters if "/" not in name or name.endswith("/dram")]
    names = psys or [name for name in packages if name != "psys"]
    return _counted(names, counters) if names else None


def rail_series(rows: Sequence[tuple[float, Mapping[str, Any]]]) -> list[Series]:
    """Each rail's power as a series of its own, `rail_<name>`, for those who want to look at it."""
    return [
        Series(
            f"rail_{name}", "mw", "measured", tuple(map(float, p)), t_s=tuple(map(float, t)), source=f"{kind} {chip}"
        )
        for name, (t, p, kind, chip, _) in _powers(rows).items()
    ]


Rail = tuple[Floats, Floats, str, str, float]
"""Times in s, powers in mW, kind, chip, and the mean voltage in V (0 where it is not known)."""


def _powers(rows: Iterable[tuple[float, Mapping[str, Any]]]) -> dict[str, Rail]:
    seen: dict[str, list[tuple[float, float, Mapping[str, Any]]]] = {}
    for t_s, said in rows:
        for item in _told_apart(said.get("rails") or ()):
            charging = item.get("from") == "battery" and item.get("status") not in ("Discharging", "Not charging")
            if isinstance(item.get("mw"), (int, float)) and math.isfinite(item["mw"]) and not charging:
                seen.setdefault(str(item["name"]), []).append((t_s, float(item["mw"]), item))
    found = {}
    for name, points in seen.items():
        first = points[0][2]
        volts = [float(item["mv"]) / 1e3 for _, _, item in points if isinstance(item.get("mv"), (int, float))]
        t, p = np.array([t for t, _, _ in points]), np.array([p for _, p, _ in points])
        mean = float(np.mean(volts)) if volts else 0.0
        found[name] = (t, p, str(first.get("from")), str(first.get("chip") or ""), mean)
    return {name: item for name, item in found.items() if item[0].size > 1}


def _told_apart(rails: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Rails of one moment, each with a name of its own: two chips of a kind without labels are called alike."""
    seen: dict[str, int] = {}
    for item in rails:
        name = str(item["name"])
        seen[name] = seen.get(name, 0) + 1
        yield {**item, "name": name if seen[name] == 1 else f"{name} ({seen[name]})"}


def _counters(rows: Sequence[tuple[float, Mapping[str, Any]]]) -> dict[str, tuple[Floats, Floats]]:
    """Name -> times in s and energy since the first reading in mJ; a counter that begins again is followed."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    last: dict[str, float] = {}
    for t_s, said in rows:
        for name, value in (said.get("energy_uj") or {}).items():
            times, energies = found.setdefault(name, ([], []))
            step = value - last.get(name, value)
            if step < 0:
                step += (said.get("range_uj") or {}).get(name, 0)
            last[name] = value
            times.append(t_s)
            energies.append((energies[-1] if energies else 0.0) + max(step, 0.0) / 1e3)
    return {name: (np.array(t), np.array(e)) for name, (t, e) in found.items() if len(t) > 1}


def _chosen(
    rail: str, powers: dict[str, Rail], counters: dict[str, tuple[Floats, Floats]]
) -> tuple[Meter, Capture] | None:
    if rail in powers:
        return _summed([rail], powers)
    if rail in counters:
        return _counted([rail], counters)
    known = ", ".join([*powers, *counters]) or "none"
    raise UsageError(f"The board has no rail '{rail}' that it measures.", f"It measures: {known}.")


def _summed(names: Sequence[str], powers: dict[str, Rail]) -> tuple[Meter, Capture]:
    """The sum of rails that were read together; on the times at which all of them were."""
    times = sorted(set.intersection(*(set(powers[name][0].tolist()) for name in names)))
    total = np.zeros(len(times))
    for name in names:
        t, p, *_ = powers[name]
        total += p[np.isin(t, times)]
    kind, chip = powers[names[0]][2], powers[names[0]][3]
    meter = {"pmic": PMIC, "battery": BATTERY}.get(kind) or _shunt(names, chip)
    volts = powers[names[0]][4] if kind != "pmic" and len(names) == 1 else 0.0
    averaged = GAUGE_S if kind == "battery" else 0.0
    t = np.array(times)
    step = float(np.median(np.diff(t))) if t.size > 1 else 0.0
    return meter, Capture(t, total, step, supply_v=round(volts, 3) or None, averaged_s=averaged)


def _shunt(names: Sequence[str], chip: str) -> Meter:
    gain, offset, accuracy = CHIPS.get(chip, OTHER_CHIP)
    said = " + ".join(names)
    scope = f"the module: {said}" if set(names) & set(WHOLE) else f"the rail {said}"
    if len(names) > 1 and not set(names) & set(WHOLE):
        scope = f"the sum of {said}; one that feeds another is counted twice ('rail=' chooses)"
    return Meter("T1", f"{chip or 'shunt'} on the board", scope, gain, accuracy, offset_mw=offset)


def _counted(names: Sequence[str], counters: dict[str, tuple[Floats, Floats]]) -> tuple[Meter, Capture]:
    """Counters of energy: between two readings their mean power, as steps, so that the integral is the counter's."""
    t = counters[names[0]][0]
    total = sum((np.interp(t, *counters[name]) for name in names), np.zeros(t.size))
    times: list[float] = []
    powers: list[float] = []
    for (t0, e0), (t1, e1) in pairwise(zip(t.tolist(), total.tolist(), strict=True)):
        if t1 > t0:
            times += [t0, t1]
            powers += [(e1 - e0) / (t1 - t0)] * 2
    meter = Meter(**{**RAPL.__dict__, "scope": f"{RAPL.scope} ({' + '.join(names)})"})
    return meter, Capture(np.array(times), np.array(powers), float(np.median(np.diff(t))))


def supply_v(rows: Sequence[tuple[float, Mapping[str, Any]]]) -> float | None:
    """The Pi 5's input (EXT5V), in V: the mean of what was read; None where the board does not tell it."""
    found = [
        float(item["mv"]) / 1e3 for _, said in rows for item in said.get("rails") or () if item.get("name") == "EXT5V"
    ]
    return round(float(np.mean(found)), 3) if found else None
