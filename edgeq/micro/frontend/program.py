"""A front-end program: records as `eq_frontend.h` has them, and the bytes of its section in an image."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgeq.micro.fields import NONE
from edgeq.micro.frontend.fixed import Number

VERSION = 1
AUDIO, IMAGE, FEATURES = 1, 2, 3
ANY_AXES, LAST_AXIS, ROWS_OF = 0, 1, 2
"""What features must look like: as many numbers as are wanted, with a last axis of that width, or rows of it."""
COLOURS = ("", "rgb", "bgr", "gray")
FITS = ("", "stretch", "cover", "contain")
HEAD = struct.Struct("<HH13I")
CONST = 1 << 31
ALIGN = 8

Table = NDArray[Any]
Store = Callable[[bytes], int]
"""Puts a table into the body of an image, and says at which offset."""


@dataclass(frozen=True, eq=False)
class Record:
    """One step. An array is a constant table; None is nowhere; a `Memory` is a place in the arena."""

    KIND: ClassVar[int]

    def encode(self, store: Store, places: Mapping[str, int]) -> bytes:
        """Its bytes, with its tables put into the image."""
        body = b"".join(_encoded(getattr(self, item.name), store, places) for item in fields(self))
        return struct.pack("<HH", self.KIND, len(body) + 4) + body


@dataclass(frozen=True)
class Memory:
    """Bytes in the arena that a record needs, at a multiple of 8."""

    name: str
    size_bytes: int


def _encoded(value: Any, store: Store, places: Mapping[str, int]) -> bytes:
    if value is None:
        return struct.pack("<I", NONE)
    if isinstance(value, np.ndarray):
        return struct.pack("<I", CONST | store(value.astype(value.dtype.newbyteorder("<")).tobytes()))
    if isinstance(value, Memory):
        return struct.pack("<I", places[value.name])
    if isinstance(value, Number):
        return struct.pack("<Ii", *value)
    return struct.pack("<I", int(value) & 0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class Pad(Record):
    KIND: ClassVar[int] = 1
    samples: int
    at_start: bool


@dataclass(frozen=True, eq=False)
class Scale(Record):
    KIND: ClassVar[int] = 2
    mult: int
    shift: int
    add: int
    add_shift: int


@dataclass(frozen=True, eq=False)
class Clip(Record):
    KIND: ClassVar[int] = 3
    low: int
    high: int
    shift: int


@dataclass(frozen=True, eq=False)
class Preemphasis(Record):
    KIND: ClassVar[int] = 4
    coefficient: int


@dataclass(frozen=True, eq=False)
class Peak(Record):
    KIND: ClassVar[int] = 5
    magnitude: bool
    unit: int


@dataclass(frozen=True, eq=False)
class Resample(Record):
    """`table` is int32 [phases // 2 + 1, taps]; `down` phases lie between two outputs."""

    KIND: ClassVar[int] = 6
    phases: int
    down: int
    taps: int
    table: Table
    history: Memory


@dataclass(frozen=True, eq=False)
class Frame(Record):
    KIND: ClassVar[int] = 10
    length: int
    step: int


@dataclass(frozen=True, eq=False)
class Spectrum(Record):
    KIND: ClassVar[int] = 11
    fft: int
    power: bool
    exponent: int
    window: Table | None
    twiddles: Table


@dataclass(frozen=True, eq=False)
class Micro(Record):
    """`values` and `rate_hz` are those of the step, for the reference."""

    KIND: ClassVar[int] = 12
    fft: int
    channels: int
    first_bin: int
    smoothing_bits: int
    least_signal: int
    pcan: bool
    snr_shift: int
    log: bool
    log_shift: int
    correction_bits: int
    window: Table
    twiddles: Table
    real_twiddles: Table
    slopes: Table
    weights: Table
    smoothing: Table
    gains: Table | None
    log_table: Table | None
    estimate: Memory


@dataclass(frozen=True, eq=False)
class Mel(Record):
    KIND: ClassVar[int] = 20
    bins: int
    slopes: Table
    weights: Table
    exponent: int


@dataclass(frozen=True, eq=False)
class Bins(Record):
    KIND: ClassVar[int] = 21


@dataclass(frozen=True, eq=False)
class Gain(Record):
    KIND: ClassVar[int] = 22
    mult: Number
    add: Number


@dataclass(frozen=True, eq=False)
class Hold(Record):
    KIND: ClassVar[int] = 23
    low: Number
    high: Number


@dataclass(frozen=True, eq=False)
class Log(Record):
    KIND: ClassVar[int] = 30
    floor: Number
    offset: Number
    mult: int
    shift: int


@dataclass(frozen=True, eq=False)
class Fix(Record):
    KIND: ClassVar[int] = 31
    exponent: int


@dataclass(frozen=True, eq=False)
class Pcen(Record):
    """`gain` and `power` have 24 fractional bits."""

    KIND: ClassVar[int] = 36
    from_one: bool
    keep: Number
    part: Number
    eps: Number
    bias: Number
    gain: int
    power: int
    exponent: int
    less: int
    mean: Memory


@dataclass(frozen=True, eq=False)
class Affine(Record):
    KIND: ClassVar[int] = 32
    count: int
    mult: Table
    add: Table
    shift: int


@dataclass(frozen=True, eq=False)
class Limit(Record):
    KIND: ClassVar[int] = 33
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Matrix(Record):
    KIND: ClassVar[int] = 34
    out: int
    table: Table
    shift: int


@dataclass(frozen=True, eq=False)
class Stack(Record):
    KIND: ClassVar[int] = 35
    frames: int
    step: int
    kept: Memory


@dataclass(frozen=True, eq=False)
class Quantize(Record):
    KIND: ClassVar[int] = 40
    dtype: int
    mult: int
    shift: int
    zero_point: int


@dataclass(frozen=True, eq=False)
class Picture(Record):
    """`colour` and `fit` are places in COLOURS and FITS."""

    KIND: ClassVar[int] = 50
    height: int
    width: int
    channels: int
    colour: int
    crop_height: int
    crop_width: int
    fit: int
    resized_height: int
    resized_width: int
    nearest: bool


@dataclass(frozen=True, eq=False)
class Lookup(Record):
    KIND: ClassVar[int] = 41
    dtype: int
    channels: int
    table: Table


@dataclass(frozen=True, eq=False)
class Features(Record):
    """`axes` is one of ANY_AXES, LAST_AXIS and ROWS_OF."""

    KIND: ClassVar[int] = 60
    width: int
    axes: int


@dataclass(frozen=True, eq=False)
class Convert(Record):
    """`columns` is int32 [count, 7], as `struct eq_fe_column` lies there."""

    KIND: ClassVar[int] = 42
    dtype: int
    count: int
    columns: Table
    zero_point: int


@dataclass(frozen=True, eq=False)
class Program:
    """A front end. `least` and `most` are the samples that a clip may have, or numbers; `rows` how many rows of
    values fill the model's input; `micro` holds the parameters of a `micro` step."""

    input: int
    rate_hz: int
    least: int
    most: int
    lift: int
    rows: int
    memories: tuple[Memory, ...]
    records: tuple[Record, ...]
    micro: Mapping[str, Any] | None = None

    def encode(self, store: Store, places: Mapping[str, int], raws: int, raw_goldens: int) -> bytes:
        """The section of an image; `raws` is where the golden vectors from raw input lie."""
        sizes = {memory.name: memory.size_bytes for memory in self.memories}
        records = b"".join(record.encode(store, places) for record in self.records)
        memory = (
            *(places["clip"], sizes["clip"] // 2),
            *(places["work"], sizes["work"]),
            *(places["values"], sizes["values"]),
        )
        lengths = (self.rate_hz, self.least, self.most)
        head = HEAD.pack(VERSION, self.input, *lengths, *memory, self.rows, raws, raw_goldens, self.lift)
        return head + records


def place_memories(memories: Sequence[Memory], taken: Sequence[tuple[int, int]]) -> tuple[dict[str, int], int]:
    """Where memories lie so that they overlap neither each other nor what is `taken` (offset, length): each at the
    lowest place that is free, the largest first. Also the end of the highest."""
    found: dict[str, int] = {}
    busy = sorted(taken)
    for memory in sorted(memories, key=lambda item: -item.size_bytes):
        at = 0
        for offset, length in busy:
            if at + memory.size_bytes <= offset:
                break
            at = max(at, -(-(offset + length) // ALIGN) * ALIGN)
        found[memory.name] = at
        busy = sorted([*busy, (at, memory.size_bytes)])
    return found, max((offset + length for offset, length in busy), default=0)
