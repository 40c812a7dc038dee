"""The figures that can be compared: one row each, with where a run keeps it and what is better.

`kind` says how two sides are compared: `quantile` by a block bootstrap of raw samples, `value` as it is (what a device
counts, or one value a run), `energy` by the uncertainty that its meter states, `accuracy` on the same samples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.run import Run


@dataclass(frozen=True)
class Metric:
    """`series` names the raw values; `quantile` is what is compared of them. `unit` is the base unit of its values."""

    name: str
    label: str
    unit: str
    kind: str
    series: str = ""
    quantile: float = 0.5
    direction: str = "lower"

    @property
    def timing(self) -> bool:
        """Whether it is a time, or what an emulator counts for one."""
        return self.unit in ("ns", "instructions")


_ROWS = (
    Metric("p50", "p50", "ns", "quantile", "invoke", 0.5),
    Metric("p90", "p90", "ns", "quantile", "invoke", 0.9),
    Metric("p95", "p95", "ns", "quantile", "invoke", 0.95),
    Metric("p99", "p99", "ns", "quantile", "invoke", 0.99),
    Metric("init", "Init", "ns", "quantile", "init"),
    Metric("warm_load", "Warm load", "ns", "quantile", "warm_load"),
    Metric("first_inference", "First inference", "ns", "quantile", "first_inference"),
    Metric("preprocess", "Preprocessing (p50)", "ns", "quantile", "preprocess"),
    Metric("postprocess", "Postprocessing (p50)", "ns", "quantile", "postprocess"),
    Metric("end_to_end", "End to end (p50)", "ns", "quantile", "end_to_end"),
    Metric("instructions", "Instructions", "instructions", "quantile", "instructions"),
    Metric("init_instructions", "Init", "instructions", "value", "init_instructions"),
    Metric("first_inference_instructions", "First inference", "instructions", "value", "first_inference_instructions"),
    Metric("rss_load", "Memory after load", "bytes", "value", "rss_load"),
    Metric("rss_peak", "Peak memory", "bytes", "value", "rss_peak"),
    Metric("pss_peak", "Peak memory, shared parts divided", "bytes", "value", "pss_peak"),
    Metric("ram", "RAM of the runtime", "bytes", "value", "ram"),
    Metric("arena", "Arena", "bytes", "value", "arena"),
    Metric("stack", "Stack of one inference", "bytes", "value", "stack"),
    Metric("static", "Variables", "bytes", "value", "static"),
    Metric("flash", "Flash", "bytes", "value", "flash"),
    Metric("model_bytes", "Model", "bytes", "value"),
    Metric("energy", "Energy per inference", "uj", "energy", "energy"),
    Metric("accuracy", "Accuracy", "fraction", "accuracy", direction="higher"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ROWS}


MODELLED = "T0"
"""The tier of what a profile models and no meter saw."""
_FRACTIONS = re.compile(r"accuracy|top-\d+|f1|auc|miou")
"""Metrics of which more is better, and 1 is all."""


def samples(metric: Metric, runs: Sequence[Run]) -> list[tuple[float, ...]]:
    """The raw values of each run; of what every run gives one value only, all runs are one list."""
    found = [series.values for run in runs if (series := run.one(metric.series)) and series.values]
    if found and all(len(values) == 1 for values in found):
        return [tuple(value for values in found for value in values)]
    return found


def value(metric: Metric, runs: Sequence[Run]) -> float | None:
    """The worst of the runs, as each has it; None where none has."""
    if metric.name == "model_bytes":
        sizes = [run.release.get("model_bytes") for run in runs]
        found = [float(size) for size in sizes if isinstance(size, (int, float))]
    else:
        found = [max(values) for values in samples(metric, runs)]
    if not found:
        return None
    return max(found) if metric.direction == "lower" else min(found)


def energy(run: Run) -> tuple[float, float] | None:
    """Energy per inference and its expanded uncertainty (k = 2) in uJ; None where nothing was metered."""
    series, meter = run.one("energy"), run.energy or {}
    if meter.get("energy_uj") is not None and meter.get("tier") != MODELLED:
        return float(meter["energy_uj"]), float(meter.get("uncertainty_uj") or 0.0)
    if series is None or series.how != "measured" or not series.values:
        return None
    mean = sum(series.values) / len(series.values)
    return mean, 2 * abs(mean) * (series.error_pct or 0.0) / 100


def accuracy(run: Run) -> Mapping[str, Any] | None:
    """What the device reached on a labelled set, else what the build did: `value`, `data`, `samples`, `title`,
    `fraction` and `at`."""
    on_device, built = run.correctness, run.release.get("evaluation")
    if on_device and on_device.get("value") is not None and _FRACTIONS.fullmatch(on_device.get("metric") or "accuracy"):
        return {
            "value": float(on_device["value"]),
            "data": on_device.get("data_sha256") or on_device.get("data"),
            "samples": on_device.get("samples"),
            "title": on_device.get("metric") or "accuracy",
            "at": "device, raw inputs" if on_device.get("preprocessed") == "device" else "device",
        }
    if not isinstance(built, Mapping):
        return None
    reached = built.get("value", built.get("accuracy"))
    if reached is None or built.get("unit", "fraction") != "fraction" or built.get("better", "higher") != "higher":
        return None
    return {
        "value": float(reached),
        "data": built.get("data_sha256"),
        "samples": built.get("samples"),
        "title": built.get("title", "accuracy"),
        "at": str(built.get("evaluated_on", "host")),
    }
