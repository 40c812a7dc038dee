"""Ranges that a training settled, as a recipe holds them and as a `ranges.json` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.errors import UsageError

SCHEMA = 1
_HINT = "Name a ranges.json that 'edgeq finetune' wrote."


@dataclass(frozen=True)
class Trained:
    """`ranges`: (tensor, low, high); `weights`: (tensor, the largest magnitude of each channel). Both in the order of
    their names, and each number the shortest that is the same float32: the writer knows no finer one."""

    ranges: tuple[tuple[str, float, float], ...]
    weights: tuple[tuple[str, tuple[float, ...]], ...]

    @staticmethod
    def of(ranges: Mapping[str, Sequence[float]], weights: Mapping[str, Sequence[float]]) -> Trained:
        """From both by tensor; `ValueError` for numbers that are no range."""
        pairs = {name: _numbers(pair) for name, pair in ranges.items()}
        largest = {name: _numbers(values) for name, values in weights.items()}
        for name, pair in pairs.items():
            if len(pair) != 2 or not pair[0] <= 0 <= pair[1]:
                raise ValueError(f"'{name}' has no range that holds 0")
        for name, values in largest.items():
            if not values or min(values) < 0:
                raise ValueError(f"'{name}' has no magnitudes")
        return Trained(
            tuple((name, low, high) for name, (low, high) in sorted(pairs.items())), tuple(sorted(largest.items()))
        )

    def to_json(self) -> dict[str, Any]:
        """As a recipe and `ranges.json` have it."""
        return {
            "schema": SCHEMA,
            "ranges": {name: [low, high] for name, low, high in self.ranges},
            "weights": {name: list(values) for name, values in self.weights},
        }

    @staticmethod
    def from_json(told: Any) -> Trained:
        """The reverse of `to_json`. `UsageError` for what is no such document."""
        try:
            if told["schema"] != SCHEMA:
                raise ValueError(f"its schema is {told['schema']!r}, not {SCHEMA}")
            return Trained.of(told["ranges"], told["weights"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"Trained ranges cannot be read: {error}.", _HINT) from error


def read_trained(path: Path) -> Trained:
    """The content of a `ranges.json`. `UsageError` for a file that is not such a one."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"The trained ranges '{path}' cannot be read: {reason}.", _HINT) from error
    try:
        return Trained.from_json(told)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from error


def _numbers(values: Sequence[float]) -> tuple[float, ...]:
    found = np.asarray(values, np.float32)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise ValueError(f"{str(values)[:60]} are no numbers")
    return tuple(float(str(value)) for value in found)
