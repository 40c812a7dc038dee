"""Latency as the device timed it: its bench answer becomes raw series in nanoseconds, or in instructions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.errors import ProtocolError
from edgeq.run import Series

MOST_SAMPLES = 10_000_000
_SERIES = {
    **{"init": "init", "warm_load": "warm_load", "first": "first_inference", "warmup": "warmup", "invoke": "invoke"},
    **{"preprocess": "preprocess", "postprocess": "postprocess", "end_to_end": "end_to_end"},
}
_COUNTS = {key: "instructions" if key == "invoke" else f"{name}_instructions" for key, name in _SERIES.items()}


def latency_series(answer: Mapping[str, Any], how: str) -> list[Series]:
    """`init_ns`, `warm_load_ns`, `first_ns` (one number each), `warmup_ns`, `invoke_ns`, `preprocess_ns` and so on
    (lists) of `answer` -> a series each. `starts_ns`, where the device tells them, are the times of `invoke`.

    A device that counts instructions instead has `invoke_instructions` and so on, which become `instructions` and, with
    that suffix, the others; there is no time then. A key that is absent gives no series. Values stay as the device
    sent them; `validity.judge` looks at them.
    """
    return [
        *_of_unit(answer, "ns", how, _SERIES, "the device's clock"),
        *_of_unit(answer, "instructions", how, _COUNTS, "the device's counter of instructions"),
    ]


def _of_unit(answer: Mapping[str, Any], unit: str, how: str, names: Mapping[str, str], source: str) -> list[Series]:
    return [
        Series(
            name,
            unit,
            how,
            whole_numbers(answer, f"{key}_{unit}"),
            t_s=_starts(answer) if name == "invoke" else (),
            source=source,
        )
        for key, name in names.items()
        if f"{key}_{unit}" in answer
    ]


def _starts(answer: Mapping[str, Any]) -> tuple[float, ...]:
    if "starts_ns" not in answer:
        return ()
    starts = whole_numbers(answer, "starts_ns")
    if len(starts) != len(answer["invoke_ns"]):
        raise ProtocolError("The device tells another number of times than of samples.", "Bench again.")
    return tuple(start / 1e9 for start in starts)


def whole_numbers(answer: Mapping[str, Any], key: str) -> tuple[float, ...]:
    """`answer[key]`, one whole number or a list of them; `ProtocolError` where it is anything else."""
    value = answer[key]
    values = value if isinstance(value, (list, tuple)) else [value]
    if len(values) > MOST_SAMPLES or not all(isinstance(item, int) and not isinstance(item, bool) for item in values):
        raise ProtocolError(
            f"The device's bench answer has '{key}', which is not made of whole numbers.", "Deploy again."
        )
    return tuple(map(float, values))
