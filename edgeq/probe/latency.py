"""Latency as the device timed it: its bench answer becomes raw series in nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.errors import ProtocolError
from edgeq.run import Series

MOST_SAMPLES = 10_000_000
_SERIES = {"init_ns": "init", "first_ns": "first_inference", "warmup_ns": "warmup", "invoke_ns": "invoke"}


def latency_series(answer: Mapping[str, Any], how: str) -> list[Series]:
    """`init_ns`, `first_ns` (one number each), `warmup_ns`, `invoke_ns` (lists) of `answer` -> four series.

    A key that is absent gives no series. Values stay as the device sent them; `validity.judge` looks at them.
    """
    return [
        Series(name, "ns", how, whole_numbers(answer, key), source="the device's clock")
        for key, name in _SERIES.items()
        if key in answer
    ]


def whole_numbers(answer: Mapping[str, Any], key: str) -> tuple[float, ...]:
    """`answer[key]`, one whole number or a list of them; `ProtocolError` where it is anything else."""
    value = answer[key]
    values = value if isinstance(value, (list, tuple)) else [value]
    if len(values) > MOST_SAMPLES or not all(isinstance(item, int) and not isinstance(item, bool) for item in values):
        raise ProtocolError(
            f"The device's bench answer has '{key}', which is not made of whole numbers.", "Deploy again."
        )
    return tuple(map(float, values))
