"""Memory as the device's system counts it: resident bytes of the process that runs the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.probe.latency import whole_numbers
from edgeq.run import Series

_SERIES = {"rss_load": "rss_load", "rss_peak": "rss_peak"}


def memory_series(answer: Mapping[str, Any], how: str) -> list[Series]:
    """`rss_load` (after loading the model) and `rss_peak` (the most ever) of the bench answer, in bytes."""
    return [
        Series(name, "bytes", how, whole_numbers(answer, key), source="resident set of the runtime's process")
        for key, name in _SERIES.items()
        if key in answer
    ]
