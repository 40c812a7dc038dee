"""Figures: what is derived from raw series, each with how it was obtained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.bootstrap import quantile_interval
from edgeq.run import Run, Series
from edgeq.stats import summarize

CONFIDENCE = 0.95
FEWEST = 10
"""Of fewer samples no interval is told."""
QUANTILES = (("p50", 0.50), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99))
STAGES = (
    ("init", "Init"),
    ("warm_load", "Loading again, warm"),
    ("first_inference", "First inference"),
    ("warmup", "Warm-up (p50)"),
    ("invoke", "Steady state (p50)"),
)
AROUND = (
    ("preprocess", "Preprocessing (p50)"),
    ("postprocess", "Postprocessing (p50)"),
    ("end_to_end", "End to end (p50)"),
)


@dataclass(frozen=True)
class Figure:
    """One derived figure. `unit`: ns, instructions, bytes, mw, uj, per_s, or fraction. `low` and `high` are its 95 %
    interval where there is one, `error_pct` its relative error; `at` says where it was obtained, if not on the device.
    `bootstrap` says that the samples were too few to bound the interval, which may be too narrow.
    """

    name: str
    label: str
    value: float
    unit: str
    how: str
    low: float | None = None
    high: float | None = None
    error_pct: float | None = None
    source: str = ""
    at: str = ""
    bootstrap: bool = False


def latency(invoke: Series | None) -> Iterator[Figure]:
    """Percentiles with their intervals, mean, spread, ends and throughput of the steady state."""
    if invoke is None or not invoke.values:
        return
    found = summarize(invoke.values)
    for name, quantile in QUANTILES:
        low, high, by = None, None, ""
        if found.n >= FEWEST:
            low, high, by = quantile_interval(invoke.values, quantile, CONFIDENCE)
        value, drawn = getattr(found, name), by == "bootstrap"
        yield Figure(name, name, value, "ns", invoke.how, low, high, source=invoke.source, bootstrap=drawn)
    for name, label, value in (
        ("mean", "Mean", found.mean),
        ("std", "Standard deviation", found.std),
        ("min", "Least", found.min),
        ("max", "Greatest", found.max),
    ):
        yield Figure(name, label, value, "ns", invoke.how, source=invoke.source)
    if found.mean > 0:
        yield Figure("throughput", "Throughput", 1e9 / found.mean, "per_s", invoke.how, source="1 / mean latency")


def stages(run: Run) -> Iterator[Figure]:
    """From cold to steady, and what lies around an invoke where that was timed."""
    for name, label in (*STAGES, *AROUND):
        series = run.one(name)
        if series and series.values:
            key = "steady" if name == "invoke" else name
            yield Figure(key, label, summarize(series.values).p50, "ns", series.how, source=series.source)


def instructions(run: Run) -> Iterator[Figure]:
    """Of a device that counts them and tells no time."""
    counted = run.one("instructions")
    if counted and counted.values:
        found = summarize(counted.values)
        for name, label, value in (
            ("instructions", "Instructions per inference (p50)", found.p50),
            ("instructions_min", "Fewest", found.min),
            ("instructions_max", "Most", found.max),
        ):
            yield Figure(name, label, value, counted.unit, counted.how, source=counted.source)
    yield from ends(run, (("init_instructions", "Init"), ("first_inference_instructions", "First inference")))


def ends(run: Run, wanted: Sequence[tuple[str, str]]) -> Iterator[Figure]:
    """The greatest value of each series, in its own unit."""
    for name, label in wanted:
        series = run.one(name)
        if series and series.values:
            yield Figure(name, label, max(series.values), series.unit, series.how, source=series.source)


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a mapping, else an empty one: what a file says is not always what it should be."""
    return value if isinstance(value, Mapping) else {}


def number(value: Any) -> float | None:
    """`value` where it is a number, else None."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
