"""What every renderer says alike: figures with their units, tags, and the facts of a run as short texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeq.report import Figure, Report, Section, points
from edgeq.report.ops import Op, Ops
from edgeq.run import Plan, Run
from edgeq.units import format_bytes, format_percent, format_seconds, three_digits

VERDICT_WORDS = {
    "valid": "valid",
    "degraded": "degraded: figures may mislead",
    "invalid": "invalid: do not use these figures",
}
VALID_LEAD = "Nothing speaks against these figures."
STARRED = (
    "* by a bootstrap, as there are too few samples to bound it: it sees nothing beyond the least and the greatest."
)
EMULATED_LEAD = "What is emulated says nothing about the speed of the hardware."
HOW_WORDS = {
    "measured": "timed or metered by the device itself, on its hardware",
    "emulated": "obtained in QEMU, whose timing is not the hardware's",
    "estimated": "computed from a model with the error that is stated",
    "planned": "laid out beforehand by the build, byte for byte",
}


def amount(value: float, unit: str) -> str:
    """A value in base units, with a unit a person reads."""
    if unit == "ns":
        return format_seconds(value / 1e9)
    if unit == "bytes":
        return format_bytes(value)
    if unit == "instructions":
        return f"{value:,.0f} instructions"
    if unit == "fraction":
        return format_percent(value)
    if unit == "mw":
        return f"{three_digits(value / 1e3)} W" if abs(value) >= 1e3 else f"{three_digits(value)} mW"
    if unit == "uj":
        return f"{three_digits(value)} uJ"
    return f"{three_digits(value)} {'inf/s' if unit == 'per_s' else unit}".rstrip()


def figure_text(figure: Figure) -> str:
    """The value alone: `1.23 ms`, `812 inf/s`, `0.3 points`."""
    return f"{points(figure.value)} points" if _in_points(figure) else amount(figure.value, figure.unit)


def interval_text(figure: Figure) -> str:
    """Its interval, `1.21 .. 1.25 ms`, or nothing."""
    if figure.low is None or figure.high is None:
        return ""
    if _in_points(figure):
        return f"{points(figure.low)} .. {points(figure.high)} points"
    low, high = amount(figure.low, figure.unit), amount(figure.high, figure.unit)
    number, _, unit = low.rpartition(" ")
    told = f"{number} .. {high}" if high.endswith(f" {unit}") else f"{low} .. {high}"
    return f"{told} *" if figure.bootstrap else told


def _in_points(figure: Figure) -> bool:
    return figure.name == "drop" and figure.unit == "fraction"


def tag(figure: Figure) -> str:
    """How the figure was obtained: `measured`, `emulated`, `estimated ± 50 %`, `measured on host`."""
    error = f" ± {figure.error_pct:.2g} %" if figure.error_pct else ""
    place = " on " + figure.at.removeprefix("evaluated on ") if figure.at else ""
    return f"{figure.how}{place}{error}"


def facts(section: Section) -> Iterator[tuple[str, str]]:
    """What was benched where: label and text, only what is known."""
    run = section.run
    device, release = run.device, run.release
    rows = (
        ("Device", _join(device.get("name"), device.get("address"))),
        ("Board", device.get("board")),
        ("CPU", _join(device.get("cpu"), device.get("arch"), _counted(device.get("cores"), "core"))),
        ("Memory", _memory(device)),
        ("System", _join(device.get("os"), device.get("kernel"), device.get("libc"))),
        ("Python", device.get("python")),
        ("Runtime", " ".join(str(device[key]) for key in ("runtime", "runtime_version") if device.get(key))),
        ("Emulator", device.get("emulator") if device.get("emulated") else None),
        ("Release", _join(release.get("name"), f"number {release.get('n')}", str(release.get("digest"))[:12])),
        ("Target", _join(release.get("target"), release.get("mode"))),
        ("Model", _join(_size(release.get("model_bytes")), _macs(release.get("macs")))),
        ("Bench", _join(bench_words(run.plan), ENDED.get(str(run.environment.get("ended_by"))))),
        ("Taken", _join(run.created, f"edgeq {run.edgeq}")),
    )
    yield from ((label, str(text)) for label, text in rows if text)


def glance(report: Report) -> Iterator[tuple[str, list[Figure | None]]]:
    """What one looks for first in several runs: a column each, with its title and the figure of every run."""
    for title, names in GLANCE:
        cells = [next((f for name in names if (f := section.figure(name))), None) for section in report.sections]
        if any(cells):
            yield title, cells


def on_front(report: Report, section: Section) -> str:
    """Whether a run is on the front of those that it was held against."""
    front = report.front.get(section.label)
    return "-" if front is None else "yes" if front else "no"


def op_name(op: Op) -> str:
    """Its place, operator and name: `3 CONV_2D features`; of the names of fused layers the first one's end."""
    short = "/".join(op.name.partition(";")[0].split("/")[-2:])
    return " ".join(filter(None, ("" if op.index is None else str(op.index), op.op, short)))


def spent(value: float, unit: str, tick: float = 0.0) -> str:
    """What an op took; instructions without their name, which stands at the head of a column. Below what the clock can
    tell apart (`tick`) no more is known."""
    if value < tick:
        return f"under {amount(tick, unit)}"
    return amount(value, unit) if unit == "ns" else f"{value:,.0f}"


def ops_words(found: Ops) -> str:
    """How the figures of a profile came about."""
    what = "mean of the middle half" if found.middle else "average"
    of = f"{what} of {found.runs} inferences, with the least and the greatest; " if found.runs > 1 else ""
    whole = f"{of}a whole one takes {amount(found.whole, found.unit)}; percent of all ops"
    return "; ".join([whole, *(note.rstrip(".") for note in found.notes)])


def pace_rows(section: Section) -> Iterator[tuple[str, str, str, str]]:
    """Each interval of a sustained bench: from, samples, p50, its 95 % interval."""
    for each in section.intervals:
        p50 = Figure("p50", "p50", each.p50, "ns", section.how, each.low, each.high)
        yield f"{each.start_s:.0f} s", str(each.n), figure_text(p50), interval_text(p50)


def bench_words(plan: Plan) -> str:
    """What was asked for: how long, how many, on what."""
    runs = f"sustained for {plan.seconds:g} s" if plan.sustained and plan.seconds else f"{plan.runs} runs"
    limit = f"at most {plan.seconds:g} s" if plan.seconds and not plan.sustained else ""
    until = f"until the median is known to {plan.rel_error * 100:g} %" if plan.rel_error else ""
    after = f"after {plan.warmup} of warm-up"
    parts = (f"{runs} {after}", limit, until, _counted(plan.threads, "thread"), plan.delegate)
    return ", ".join(filter(None, (*parts, "end to end too" if plan.end_to_end else "")))


ENDED = {
    "runs": "all runs made",
    "seconds": "ended as the time was over",
    "rel_error": "ended as the median was known well enough",
    "stopped": "stopped before its end",
}
GLANCE = (
    ("Median", ("p50", "instructions")),
    ("p99", ("p99",)),
    ("Memory", ("rss_peak", "ram")),
    ("Model", ("model_bytes",)),
    ("Energy", ("energy",)),
    ("Accuracy", ("accuracy",)),
    ("Loss", ("drop",)),
)
ENVIRONMENT = {
    "governor": "CPU governor",
    "cpu_hz": "CPU clock",
    "cpu_hz_min": "CPU clock, least allowed",
    "cpu_hz_max": "CPU clock, greatest allowed",
    "cpu_hz_top": "CPU clock, greatest of the hardware",
    "temperature_c": "Temperature",
    "temperature_of": "Temperature of",
    "load_1m": "Load, 1 min",
    "throttled": "Throttle bits",
    "throttle_count": "Times throttled",
    "supply_v": "Supply",
    "supply_of": "Supply at",
}
UNREAD = ("clock_ns", "ended_by", "timed_every", "delegate", "host_s", "link_s", "model")
"""In an environment, too, and no readings of it."""


def environment_title(run: Run) -> str:
    """The readings' headline; an emulator's sensors are inventions, and are called so."""
    return "Environment, as the emulator shows it" if run.device.get("emulated") else "Environment"


def environment(run: Run) -> list[tuple[str, str, str]]:
    """Readings before and after the bench: label, before, after."""
    before, after = (_mapping(run.environment.get(when)) for when in ("before", "after"))
    once = {key: value for key, value in run.environment.items() if key not in ("before", "after")}
    keys = [key for key in dict.fromkeys((*ENVIRONMENT, *before, *after, *once)) if key not in UNREAD]
    rows = []
    for key in keys:
        values = [group.get(key, once.get(key)) for group in (before, after)]
        if any(value is not None for value in values) and not any(isinstance(value, (list, dict)) for value in values):
            rows.append((ENVIRONMENT.get(key, key), _reading(key, values[0]), _reading(key, values[1])))
    return rows


def _memory(device: Mapping[str, Any]) -> str:
    if not _is_number(device.get("ram_bytes")):
        return ""
    emulator_s = device.get("emulated") and device.get("os")  # A board's own is part of what is emulated.
    return format_bytes(device["ram_bytes"]) + (" (the emulating machine's)" if emulator_s else "")


def _reading(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if not _is_number(value):
        return str(value)
    if key == "supply_v":
        return f"{value:.2f} V"
    if key.startswith("cpu_hz"):
        return f"{value / 1e9:.2f} GHz" if value >= 1e9 else f"{value / 1e6:.0f} MHz"
    if key == "throttled":
        return f"0x{int(value):x}"
    return f"{value:.1f} °C" if key == "temperature_c" else f"{value:g}"


def _macs(value: Any) -> str:
    if not _is_number(value) or value <= 0:
        return ""
    return f"{value / 1e6:.3g} million MACs" if value >= 1e6 else f"{value:,} MACs"


def _size(value: Any) -> str:
    return format_bytes(value) if _is_number(value) else ""


def _counted(value: Any, noun: str) -> str:
    return f"{value} {noun}{'' if value == 1 else 's'}" if value else ""


def _join(*parts: Any) -> str:
    return ", ".join(dict.fromkeys(str(part) for part in parts if part))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
