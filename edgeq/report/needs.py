"""What a release takes of a device's memory, against what there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.report.figures import Figure, ends, mapping, number
from edgeq.run import Run

MEMORY = (
    ("rss_before", "Memory before loading"),
    ("rss_after", "Memory after loading"),
    ("rss_load", "Taken by loading"),
    ("rss_peak", "Peak memory"),
    ("ram", "RAM of the runtime"),
    ("arena", "Arena"),
    ("stack", "Stack of one inference"),
    ("static", "Variables"),
    ("flash", "Flash of the image"),
)
_PSS = (("pss_before", "before loading"), ("pss_after", "after loading"))
PLANNED = "planned"
"""How a need was obtained that nothing has measured yet: the plan of the bundle says it."""
_MEASURED = (("arena", "Arena"), ("static", "Variables"), ("stack", "Stack"))
_PARTS = {"arena": "Arena", "runtime": "Runtime", "image": "Image", "bundle": "Bundle"}


@dataclass(frozen=True)
class Need:
    """Bytes of one memory: what is taken, in parts, of how much. `how` is `measured`, `emulated` or `planned`."""

    name: str
    label: str
    needed_bytes: float
    limit_bytes: float
    parts: tuple[tuple[str, float], ...]
    how: str
    of: str
    source: str = ""

    @property
    def share(self) -> float:
        """Of what there is, 0 to 1 where it fits."""
        return self.needed_bytes / self.limit_bytes

    @property
    def fits(self) -> bool:
        return self.needed_bytes <= self.limit_bytes


def memory(run: Run) -> Iterator[Figure]:
    """What the device told of its memory; shared pages in part (PSS), whose peak no kernel keeps, as a range."""
    yield from ends(run, MEMORY)
    yield from ends(run, [(name, f"Memory {words}, PSS") for name, words in _PSS])
    peak = run.one("pss_peak")
    if peak and peak.values:
        low, high = min(peak.values), max(peak.values)
        ends_of = (("pss_peak_low", ", at least", low), ("pss_peak", ", at most", high))
        for name, label, value in ends_of if low < high else (("pss_peak", "", high),):
            yield Figure(name, f"Peak memory, PSS{label}", value, peak.unit, peak.how, source=peak.source)


def needs(run: Run) -> Iterator[Need]:
    """RAM, and flash or what is free of a disk: measured where something was, else as planned."""
    fit = mapping(run.release.get("fit"))
    target = str(fit.get("target") or run.release.get("target") or "the target")
    ram, flash, disk = (mapping(fit.get(name)) for name in ("ram", "flash", "disk"))
    found = (
        _measured_ram(run, ram, target),
        _planned("flash", "Flash", flash, f"a slot of {target}"),
        _planned("disk", "Disk", disk, "what the device's disk has for it"),
    )
    yield from (need for need in found if need)


def _measured_ram(run: Run, ram: object, target: str) -> Need | None:
    plan = mapping(ram)
    limit = number(plan.get("limit_bytes"))
    peak = run.one("rss_peak")
    if peak and peak.values:
        of = f"the free RAM of {target}"
        if limit is None:
            limit, of = number(run.device.get("ram_bytes")), "the RAM of the device"
        return Need("ram", "RAM", max(peak.values), limit, (), peak.how, of, "peak of the process") if limit else None
    parts = [(label, series) for name, label in _MEASURED if (series := run.one(name)) and series.values]
    if len(parts) == len(_MEASURED) and limit:
        shown = tuple((label, max(series.values)) for label, series in parts)
        total, how = sum(value for _, value in shown), parts[0][1].how
        return Need("ram", "RAM", total, limit, shown, how, f"the free RAM of {target}", "told by the runtime itself")
    return _planned("ram", "RAM", plan, f"the free RAM of {target}")


def _planned(name: str, label: str, told: object, of: str) -> Need | None:
    plan = mapping(told)
    needed, limit = number(plan.get("needed_bytes")), number(plan.get("limit_bytes"))
    if needed is None or not limit:
        return None
    parts = tuple(
        (_PARTS.get(key, str(key)), number(value) or 0.0) for key, value in mapping(plan.get("parts")).items()
    )
    return Need(name, label, needed, limit, parts, PLANNED, of, str(plan.get("source", "")))
