"""How to quantize, as data. Mode names follow LiteRT: `w` weights, `a` activations, `i8` 8-bit integers."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.errors import UsageError

MODES = ("static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32", "float16", "float32")
STATIC = MODES[:2]
"""Integers throughout; their ranges are calibrated on representative data."""

GRANULARITIES = ("channel", "tensor")
IO_TYPES = ("int8", "int16", "float32", "auto")

_IO = {"static_wi8_ai8": ("int8", "float32"), "static_wi8_ai16": ("int16", "float32")}


@dataclass(frozen=True)
class Recipe:
    """`granularity`: weights have a scale per channel or one per tensor. `io`: the type of inputs and outputs that the
    model computes with as real numbers; "auto" is the mode's own integer, or float32. `UsageError` for what no mode
    offers."""

    mode: str = "static_wi8_ai8"
    granularity: str = "channel"
    io: str = "auto"

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, MODES)
        _one_of("granularity of the weights", self.granularity, GRANULARITIES)
        _one_of("type of inputs and outputs", self.io, IO_TYPES)
        offered = _IO.get(self.mode, ("float32",))
        if self.io not in (*offered, "auto"):
            raise UsageError(
                f"Inputs and outputs cannot be {self.io} in the mode {self.mode}.", f"Use {' or '.join(offered)}."
            )

    @property
    def io_type(self) -> str:
        """The type of inputs and outputs, with "auto" resolved."""
        return _IO.get(self.mode, ("float32",))[0] if self.io == "auto" else self.io

    @property
    def activations(self) -> str:
        """The type that the model computes in."""
        return {"static_wi8_ai8": "int8", "static_wi8_ai16": "int16"}.get(self.mode, "float32")

    @property
    def needs_samples(self) -> bool:
        """Whether ranges must be calibrated on representative data."""
        return self.mode in STATIC


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"There is no {what} '{value}'.", f"Use one of {', '.join(known)}.")
