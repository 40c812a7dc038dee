"""What the records of a plan are made of, as `eq_image.h` has it: places in memory, scales, windows, sums and walks.

Memory is referred to by `View`s; where a view lies is decided later, so `encoded` asks `place`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any

RANK = 6
NONE = 0xFFFFFFFF


@dataclass(eq=False)
class Buffer:
    """A piece of memory. `data` makes it a constant; `state` keeps its content between invokes, from `first` on."""

    name: str
    size_bytes: int
    align: int = 4
    data: bytes | None = field(default=None, repr=False)
    state: bool = False
    first: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class View:
    """A place in a buffer, `offset` bytes from its start."""

    buffer: Buffer
    offset: int = 0

    def at(self, offset: int) -> View:
        """The place `offset` bytes further on."""
        return View(self.buffer, self.offset + offset)


Place = Callable[[View], int]


@dataclass(frozen=True)
class Scale:
    """real = mult * 2^(shift - 31)."""

    mult: int
    shift: int


@dataclass(frozen=True)
class Window:
    """`struct eq_window`, in its order."""

    batches: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    k_h: int
    k_w: int
    stride_h: int
    stride_w: int
    dil_h: int = 1
    dil_w: int = 1
    pad_top: int = 0
    pad_left: int = 0
    groups: int = 1

    def encode(self) -> bytes:
        """Its bytes."""
        return struct.pack("<16H", *astuple(self))


@dataclass(frozen=True)
class Sum:
    """`struct eq_sum`: TFLite's ADD or SUB of two int8 values."""

    a_zp: int
    b_zp: int
    out_zp: int
    a: Scale
    b: Scale
    out: Scale
    left_shift: int
    subtract: bool
    act: tuple[int, int]


NO_SUM = bytes(13 * 4)


@dataclass(frozen=True)
class Walk:
    """`struct eq_walk`: dimensions and steps in elements, of at most six axes."""

    dims: tuple[int, ...]
    step: tuple[int, ...]


@dataclass(frozen=True)
class Gate:
    """`struct eq_lstm_gate`."""

    weights: View
    bias: View
    recurrent: View
    recurrent_bias: View
    scale: Scale
    recurrent_scale: Scale


def contiguous(dims: Sequence[int]) -> tuple[int, ...]:
    """The steps of a dense tensor."""
    steps, step = [], 1
    for size in reversed(dims):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


def encoded(name: str, value: Any, place: Place) -> bytes:
    """One field as C has it; dimensions and steps are six numbers, the missing ones in front."""
    if isinstance(value, (bytes, Window)):
        return value if isinstance(value, bytes) else value.encode()
    if value is None or isinstance(value, View):
        return struct.pack("<I", NONE if value is None else place(value))
    if isinstance(value, (int, float)):
        return struct.pack("<f", value) if isinstance(value, float) else struct.pack("<I", value & 0xFFFFFFFF)
    if isinstance(value, tuple):
        if name == "dims" or name.endswith("step"):
            value = (int(name == "dims"),) * (RANK - len(value)) + value
        return b"".join(encoded("", item, place) for item in value)
    return b"".join(encoded(item.name, getattr(value, item.name), place) for item in fields(value))
