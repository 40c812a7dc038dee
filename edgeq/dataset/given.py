"""One sample as the user's own code gives it -> arrays by input, a label, a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.dataset import keys, labels
from edgeq.dataset.source import Array
from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw


@dataclass(frozen=True)
class Sample:
    """One sample as the code gave it: arrays by input name, its label as a text."""

    arrays: Mapping[str, Array]
    label: str | None
    rate_hz: int


def sample_of(value: Any, what: str) -> Sample:
    """An array, (array, label), a mapping by name, a Raw, or (any of these, label)."""
    label = None
    if isinstance(value, tuple) and len(value) in (1, 2):
        value, label = value[0], value[1] if len(value) == 2 else None
    arrays, rate_hz = {"x": value}, 0
    if isinstance(value, Raw):
        arrays, rate_hz = {"x": value.array}, value.rate_hz
    elif isinstance(value, Mapping):
        arrays = {str(key): item for key, item in value.items()}
        key, rate = keys.first(keys.LABEL_KEYS, list(arrays)), keys.first(keys.RATE_KEYS, list(arrays))
        label = arrays.pop(key) if key and label is None else label
        rate_hz = _rate(arrays.pop(rate), what) if rate else 0
    return Sample(
        {name: array_of(item, what) for name, item in arrays.items()},
        None if label is None else label_of(label, what),
        rate_hz,
    )


def array_of(value: Any, what: str) -> Array:
    """Whatever numpy can make an array of numbers or texts from."""
    try:
        found = np.asarray(value)
    except Exception as error:  # foreign tensors and ragged lists raise as they please
        raise UsageError(
            f"{what} is no array: {' '.join(str(error).split())[:200]}.", "Give arrays of numbers."
        ) from error
    if found.dtype.hasobject:
        raise UsageError(f"{what} is {kind_of(value)}, no array of numbers.", "Give arrays of numbers.")
    return found


def label_of(value: Any, what: str) -> str:
    """A class number, a text, or a one-hot row."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    found = array_of(value, f"The label of {what[:1].lower()}{what[1:]}").reshape(-1)
    if found.size == 1:
        return str(int(found[0]) if found.dtype.kind == "b" else found[0])
    row = labels.from_numbers(found[None], (), what)
    if row.numbers is None:
        raise UsageError(f"{what} has a label that is no class.", "Give a class number, a name or a one-hot row.")
    return str(row.numbers[0])


def _rate(value: Any, what: str) -> int:
    found = array_of(value, what)
    if found.size != 1 or found.dtype.kind not in "iuf" or not 1 <= found.flat[0] <= 1_000_000:
        raise UsageError(f"{what} has a rate that is no number of Hz.", "Give one number, such as 16000.")
    return int(found.flat[0])


def kind_of(value: Any) -> str:
    """What it is, in a sentence."""
    name = type(value).__name__
    return "nothing" if value is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
