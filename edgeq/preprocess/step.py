"""One step of a chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """Its name and every one of its parameters, in the order of the vocabulary; a list of numbers is a tuple."""

    do: str
    values: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """`{"do": name, parameter: value, ...}`."""
        return {"do": self.do, **{key: list(v) if isinstance(v, tuple) else v for key, v in self.values.items()}}
