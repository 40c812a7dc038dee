"""Runs to compare: the recorded one, changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from edgeq.run import Run, Series, read_run

CASES = Path(__file__).resolve().parents[1] / "cases" / "runs"
LOCAL = CASES / "local-measured.json"
_NUMBER = count()


@cache
def recorded() -> Run:
    return read_run(LOCAL)


def changed(run: Run | None = None, **parts: Any) -> Run:
    """Another bench: `device`, `release`, `plan` and `before` are merged, `series` are put in place of their namesakes,
    everything else replaces."""
    run = run or recorded()
    merged: dict[str, Any] = {"created": f"2026-03-01T00:00:{next(_NUMBER)}Z"}
    for key, value in parts.items():
        if key in ("device", "release"):
            merged[key] = {**getattr(run, key), **value}
        elif key == "plan":
            merged[key] = replace(run.plan, **value)
        elif key == "before":
            merged["environment"] = {**run.environment, "before": {**run.environment["before"], **value}}
        elif key == "series":
            names = {series.name for series in value}
            merged[key] = (*(series for series in run.series if series.name not in names), *value)
        else:
            merged[key] = value
    return replace(run, **merged)


def series(name: str, values: Sequence[float], unit: str = "ns", how: str = "measured", **more: Any) -> Series:
    return Series(name, unit, how, tuple(map(float, values)), **more)


def timed(values: Sequence[float], **parts: Any) -> Run:
    """A run with these latencies in ns."""
    return changed(series=[series("invoke", values)], **parts)
