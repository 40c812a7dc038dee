"""What the surroundings of a bench say: readings before, during and after it, and the Raspberry Pi's throttle bits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from edgeq.run import Run, Series

THROTTLE_BITS = {
    0: "under-voltage now",
    1: "clock capped now",
    2: "throttled now",
    3: "soft temperature limit now",
    16: "under-voltage has occurred",
    17: "clock capping has occurred",
    18: "throttling has occurred",
    19: "soft temperature limit has occurred",
}
"""Bits of `vcgencmd get_throttled` (Raspberry Pi documentation, 'vcgencmd'). Readings of other boards use them, too."""
NOW = 0xFFFF
"""The bits that say how it is now; those above are sticky, until the device starts anew."""
UNDERVOLTAGE_BITS = 1 << 0 | 1 << 16
CAPPED_BITS = ~UNDERVOLTAGE_BITS

TRACES = {
    "cpu_hz": ("cpu_hz", "hz"),
    "temperature_c": ("temperature", "c"),
    "throttled": ("throttled", "bits"),
    "other_load": ("other_load", "cores"),
    "supply_v": ("supply", "v"),
}
"""Key of a reading -> name and unit of its series."""


def trace_series(answer: Mapping[str, Any], how: str) -> list[Series]:
    """The readings that the device took while it benched (`trace` of its answer), a series for each quantity."""
    trace = [item for item in answer.get("trace") or () if isinstance(item, Mapping) and _number(item.get("t_ns"))]
    found = []
    for key, (name, unit) in TRACES.items():
        rows = [(item["t_ns"] / 1e9, float(item[key])) for item in trace if _number(item.get(key))]
        if rows:
            times, values = zip(*rows, strict=True)
            found.append(Series(name, unit, how, values, t_s=times, source="read on the device while it benched"))
    return found


def clock_series(answer: Mapping[str, Any], how: str) -> list[Series]:
    """The device's clock against the host's: `clock` of the answer, triples of ns there and seconds here, before and
    after the request. `t_s` is the middle of the two."""
    rows = answer.get("clock") or ()
    if len(rows) < 2:
        return []
    values = tuple(float(ns) for ns, _, _ in rows)
    times = tuple((before + after) / 2 for _, before, after in rows)
    return [Series("clock", "ns", how, values, t_s=times, source="the device's clock, at the host's")]


def link_s(answer: Mapping[str, Any]) -> float | None:
    """How far, at most, a pair of `clock_series` may be apart: half of the longest round trip, in seconds."""
    return max(((after - before) / 2 for _, before, after in answer.get("clock") or ()), default=None)


def throttle_words(bits: int) -> tuple[str, ...]:
    """The set bits in words; the device's agent reads the bits."""
    return tuple(words for bit, words in THROTTLE_BITS.items() if bits >> bit & 1)


def reading(environment: Mapping[str, Any], when: str, key: str) -> Any:
    """`environment[when][key]` (when: before, after), or a reading that was taken once, or None."""
    group = environment.get(when)
    if isinstance(group, Mapping) and group.get(key) is not None:
        return group[key]
    return environment.get(key)


def before_bits(run: Run) -> int:
    """The throttle bits before the bench; 0 where nothing tells them."""
    return _bits(reading(run.environment, "before", "throttled"))


def new_bits(run: Run) -> int:
    """The throttle bits that belong to the bench: set "now" in any reading, or sticky ones that came during it."""
    series = run.one("throttled")
    seen = [_bits(reading(run.environment, "after", "throttled")), *map(_bits, series.values if series else ())]
    before = before_bits(run)
    bits = before & NOW
    for item in seen:
        bits |= item & NOW | item & ~before & ~NOW
    return bits


def steady(run: Run, name: str) -> Iterator[tuple[float, float]]:
    """(time, value) of a trace's readings while steady samples were taken, as far as the samples' times are known."""
    series, invoke = run.one(name), run.one("invoke")
    if series is None or invoke is None or not invoke.t_s or not series.t_s:
        return
    for time, value in zip(series.t_s, series.values, strict=True):
        if invoke.t_s[0] <= time <= invoke.t_s[-1]:
            yield time, value


def _number(value: Any) -> bool:
    """A finite one: what holds NaN or infinity is written, and never read again."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _bits(value: Any) -> int:
    return int(value) if _number(value) else 0
