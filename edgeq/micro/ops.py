"""The kernels of the C runtime as the plan compiler sees them: one record each, in the layout of `eq_image.h`.

A record refers to memory by `View`s; where a view lies is decided later, so `encode` asks `place`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar

RANK = 6
NONE = 0xFFFFFFFF
NO_STEP = (0,) * RANK


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
        return struct.pack("<16H", *(getattr(self, item.name) for item in fields(self)))


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

    def encode(self) -> bytes:
        """Its bytes."""
        scales = (item for scale in (self.a, self.b, self.out) for item in (scale.mult, scale.shift))
        return struct.pack(
            "<13i", self.a_zp, self.b_zp, self.out_zp, *scales, self.left_shift, self.subtract, *self.act
        )


NO_SUM = bytes(13 * 4)


@dataclass(frozen=True)
class Op:
    """One record. `reads` and `writes` are the activations it touches; `in_place` the read that `out` may share."""

    kind: ClassVar[int]
    name: ClassVar[str]
    out: View

    @property
    def reads(self) -> tuple[View, ...]:
        """Activations and constants that it reads, weights and tables left aside."""
        raise NotImplementedError

    @property
    def in_place(self) -> tuple[View, ...]:
        """Reads at whose very place `out` may be written."""
        return ()

    @property
    def scratch(self) -> View | None:
        """Working memory of this op alone."""
        return None

    @property
    def constants(self) -> tuple[View, ...]:
        """Weights and tables."""
        return ()

    def payload(self, place: Place) -> bytes:
        """What follows the record's head."""
        raise NotImplementedError

    def encode(self, place: Place) -> bytes:
        """The whole record."""
        payload = self.payload(place)
        return struct.pack("<HH", self.kind, 4 + len(payload)) + payload


def _refs(place: Place, *views: View | None) -> bytes:
    return struct.pack(f"<{len(views)}I", *(NONE if view is None else place(view) for view in views))


@dataclass(frozen=True)
class Conv(Op):
    """Convolution, also with a residual added behind it (`sum.a` is the convolution's result)."""

    kind: ClassVar[int] = 1
    name: ClassVar[str] = "conv_i8"
    source: View
    win: Window
    weights: View
    channels: View
    patch: View | None
    in_zp: int
    out_zp: int
    act: tuple[int, int]
    residual: View | None = None
    sum: Sum | None = None

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,) if self.residual is None else (self.source, self.residual)

    @property
    def in_place(self) -> tuple[View, ...]:
        if self.residual is None or self.residual.buffer is self.source.buffer:
            return ()
        return (self.residual,)

    @property
    def scratch(self) -> View | None:
        return self.patch

    @property
    def constants(self) -> tuple[View, ...]:
        return (self.weights, self.channels)

    def payload(self, place: Place) -> bytes:
        size = self.patch.buffer.size_bytes if self.patch else 0
        return (
            self.win.encode()
            + _refs(place, self.source, self.out, self.weights, self.channels)
            + struct.pack("<II", place(self.patch) if self.patch else 0, size)
            + struct.pack("<4i", self.in_zp, self.out_zp, *self.act)
            + _refs(place, self.residual)
            + (self.sum.encode() if self.sum else NO_SUM)
        )


@dataclass(frozen=True)
class Depthwise(Conv):
    """Depthwise convolution."""

    kind: ClassVar[int] = 2
    name: ClassVar[str] = "depthwise_i8"


@dataclass(frozen=True)
class Dense(Op):
    """Fully connected."""

    kind: ClassVar[int] = 3
    name: ClassVar[str] = "fc_i8"
    source: View
    rows: int
    in_c: int
    out_c: int
    weights: View
    channels: View
    out_zp: int
    act: tuple[int, int]

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,)

    @property
    def constants(self) -> tuple[View, ...]:
        return (self.weights, self.channels)

    def payload(self, place: Place) -> bytes:
        return (
            struct.pack("<3I", self.rows, self.in_c, self.out_c)
            + _refs(place, self.source, self.out, self.weights, self.channels)
            + struct.pack("<II3i", 0, 0, self.out_zp, *self.act)
        )


@dataclass(frozen=True)
class AvgPool(Op):
    """Average of windows."""

    kind: ClassVar[int] = 4
    name: ClassVar[str] = "avgpool_i8"
    source: View
    win: Window
    act: tuple[int, int]

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,)

    def payload(self, place: Place) -> bytes:
        return self.win.encode() + _refs(place, self.source, self.out) + struct.pack("<2i", *self.act)


@dataclass(frozen=True)
class MaxPool(AvgPool):
    """Maximum of windows."""

    kind: ClassVar[int] = 5
    name: ClassVar[str] = "maxpool_i8"


@dataclass(frozen=True)
class Walk:
    """`struct eq_walk`: dimensions and steps in elements, padded in front to six."""

    dims: tuple[int, ...]
    step: tuple[int, ...]

    def encode(self) -> bytes:
        """Its bytes."""
        return six(self.dims, 1) + six(self.step, 0)


def six(values: Sequence[int], fill: int) -> bytes:
    """Six 32-bit numbers, the missing ones in front."""
    return struct.pack(f"<{RANK}i", *(fill,) * (RANK - len(values)), *values)


@dataclass(frozen=True)
class Mean(Op):
    """Mean over some axes."""

    kind: ClassVar[int] = 6
    name: ClassVar[str] = "mean_i8"
    source: View
    keep: Walk
    reduce: Walk
    in_zp: int
    out_zp: int
    scale: Scale
    act: tuple[int, int]

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,)

    def payload(self, place: Place) -> bytes:
        numbers = (self.in_zp, self.out_zp, self.scale.mult, self.scale.shift, *self.act)
        return (
            _refs(place, self.source, self.out)
            + self.keep.encode()
            + self.reduce.encode()
            + struct.pack("<6i", *numbers)
        )


@dataclass(frozen=True)
class Add(Op):
    """a + b or a - b, broadcast by steps of 0."""

    kind: ClassVar[int] = 7
    name: ClassVar[str] = "add_i8"
    a: View
    b: View
    dims: tuple[int, ...]
    a_step: tuple[int, ...]
    b_step: tuple[int, ...]
    sum: Sum

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.a, self.b)

    @property
    def in_place(self) -> tuple[View, ...]:
        return _flat(self.dims, (self.a, self.a_step), (self.b, self.b_step))

    def payload(self, place: Place) -> bytes:
        walk = six(self.dims, 1) + six(self.a_step, 0) + six(self.b_step, 0)
        return _refs(place, self.a, self.b, self.out) + walk + self.sum.encode()


@dataclass(frozen=True)
class Mul(Op):
    """a * b, broadcast by steps of 0."""

    kind: ClassVar[int] = 8
    name: ClassVar[str] = "mul_i8"
    a: View
    b: View
    dims: tuple[int, ...]
    a_step: tuple[int, ...]
    b_step: tuple[int, ...]
    a_zp: int
    b_zp: int
    out_zp: int
    scale: Scale
    act: tuple[int, int]

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.a, self.b)

    @property
    def in_place(self) -> tuple[View, ...]:
        return _flat(self.dims, (self.a, self.a_step), (self.b, self.b_step))

    def payload(self, place: Place) -> bytes:
        numbers = (self.a_zp, self.b_zp, self.out_zp, self.scale.mult, self.scale.shift, *self.act)
        walk = six(self.dims, 1) + six(self.a_step, 0) + six(self.b_step, 0)
        return _refs(place, self.a, self.b, self.out) + walk + struct.pack("<7i", *numbers)


def contiguous(dims: Sequence[int]) -> tuple[int, ...]:
    """The steps of a dense tensor."""
    steps, step = [], 1
    for size in reversed(dims):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


def _flat(dims: tuple[int, ...], *operands: tuple[View, tuple[int, ...]]) -> tuple[View, ...]:
    dense = [step if size > 1 else 0 for size, step in zip(dims, contiguous(dims), strict=True)]
    return tuple(
        view
        for view, steps in operands
        if [step if size > 1 else 0 for size, step in zip(dims, steps, strict=True)] == dense
    )


@dataclass(frozen=True)
class Lut(Op):
    """A table of 256 int8."""

    kind: ClassVar[int] = 9
    name: ClassVar[str] = "lut_i8"
    source: View
    count: int
    table: View

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,)

    @property
    def in_place(self) -> tuple[View, ...]:
        return (self.source,)

    @property
    def constants(self) -> tuple[View, ...]:
        return (self.table,)

    def payload(self, place: Place) -> bytes:
        return _refs(place, self.source, self.out) + struct.pack("<I", self.count) + _refs(place, self.table)


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over rows; `table` holds 256 exponentials."""

    kind: ClassVar[int] = 10
    name: ClassVar[str] = "softmax_i8"
    source: View
    rows: int
    depth: int
    table: View
    wide: bool = False

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,)

    @property
    def in_place(self) -> tuple[View, ...]:
        return () if self.wide else (self.source,)

    @property
    def constants(self) -> tuple[View, ...]:
        return (self.table,)

    def payload(self, place: Place) -> bytes:
        shape = struct.pack("<II", self.rows, self.depth)
        return _refs(place, self.source, self.out) + shape + _refs(place, self.table) + struct.pack("<i", self.wide)


@dataclass(frozen=True)
class Copy(Op):
    """A strided copy."""

    kind: ClassVar[int] = 11
    name: ClassVar[str] = "copy"
    source: View
    elem_bytes: int
    dims: tuple[int, ...]
    in_step: tuple[int, ...]
    out_step: tuple[int, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,)

    def payload(self, place: Place) -> bytes:
        walk = six(self.dims, 1) + six(self.in_step, 0) + six(self.out_step, 0)
        return _refs(place, self.source, self.out) + struct.pack("<I", self.elem_bytes) + walk


@dataclass(frozen=True)
class Fill(Op):
    """One value everywhere."""

    kind: ClassVar[int] = 12
    name: ClassVar[str] = "fill"
    count: int
    elem_bytes: int
    value: int

    @property
    def reads(self) -> tuple[View, ...]:
        return ()

    def payload(self, place: Place) -> bytes:
        return _refs(place, self.out) + struct.pack("<III", self.count, self.elem_bytes, self.value & 0xFFFFFFFF)


@dataclass(frozen=True)
class Quantize(Op):
    """float32 to int8 or int16."""

    kind: ClassVar[int] = 13
    name: ClassVar[str] = "quantize_f32"
    source: View
    count: int
    dtype: int
    scale: float
    zero_point: int

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,)

    def payload(self, place: Place) -> bytes:
        return _refs(place, self.source, self.out) + struct.pack(
            "<IIfi", self.count, self.dtype, self.scale, self.zero_point
        )


@dataclass(frozen=True)
class Dequantize(Quantize):
    """int8 or int16 to float32."""

    kind: ClassVar[int] = 14
    name: ClassVar[str] = "dequantize_f32"


@dataclass(frozen=True)
class Requantize(Op):
    """Between int8, int16 and int32."""

    kind: ClassVar[int] = 15
    name: ClassVar[str] = "requantize"
    source: View
    count: int
    in_dtype: int
    out_dtype: int
    in_zp: int
    out_zp: int
    scale: Scale

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source,)

    def payload(self, place: Place) -> bytes:
        numbers = (self.in_zp, self.out_zp, self.scale.mult, self.scale.shift)
        return _refs(place, self.source, self.out) + struct.pack(
            "<III4i", self.count, self.in_dtype, self.out_dtype, *numbers
        )


@dataclass(frozen=True)
class Svdf(Op):
    """One step of an SVDF."""

    kind: ClassVar[int] = 16
    name: ClassVar[str] = "svdf_i8"
    source: View
    feature: View
    time: View
    bias: View | None
    state: View
    wide: bool
    shape: tuple[int, int, int, int, int]
    """batches, in_c, filters, rank, memory."""
    zero_points: tuple[int, int, int]
    """Of input, state and output."""
    to_state: Scale
    to_out: Scale

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source, self.state)

    @property
    def constants(self) -> tuple[View, ...]:
        return (self.feature, self.time, *([self.bias] if self.bias else []))

    def payload(self, place: Place) -> bytes:
        scales = (self.to_state.mult, self.to_state.shift, self.to_out.mult, self.to_out.shift)
        return _refs(place, self.source, self.out, self.feature, self.time, self.bias, self.state) + struct.pack(
            "<6I7i", self.wide, *self.shape, *self.zero_points, *scales
        )


@dataclass(frozen=True)
class Gate:
    """`struct eq_lstm_gate`."""

    weights: View
    bias: View
    recurrent: View
    recurrent_bias: View
    scale: Scale
    recurrent_scale: Scale

    @property
    def constants(self) -> tuple[View, ...]:
        """Its weights and biases."""
        return (self.weights, self.bias, self.recurrent, self.recurrent_bias)

    def encode(self, place: Place) -> bytes:
        """Its bytes."""
        scales = (self.scale.mult, self.scale.shift, self.recurrent_scale.mult, self.recurrent_scale.shift)
        return _refs(place, *self.constants) + struct.pack("<4i", *scales)


@dataclass(frozen=True)
class Lstm(Op):
    """An LSTM over a sequence."""

    kind: ClassVar[int] = 17
    name: ClassVar[str] = "lstm_i8"
    source: View
    hidden: View
    cell: View
    shape: tuple[int, int, int, int]
    """batches, steps, in_c, units."""
    time_major: bool
    gates: tuple[Gate, Gate, Gate, Gate]
    """Input, forget, cell, output."""
    forget: Scale
    input: Scale
    to_hidden: Scale
    cell_clip: int
    cell_power: int
    hidden_zp: int

    @property
    def reads(self) -> tuple[View, ...]:
        return (self.source, self.hidden, self.cell)

    @property
    def constants(self) -> tuple[View, ...]:
        return tuple(view for gate in self.gates for view in gate.constants)

    def payload(self, place: Place) -> bytes:
        scales = (number for item in (self.forget, self.input, self.to_hidden) for number in (item.mult, item.shift))
        return (
            _refs(place, self.source, self.out, self.hidden, self.cell)
            + struct.pack("<5I", *self.shape, self.time_major)
            + b"".join(gate.encode(place) for gate in self.gates)
            + struct.pack("<9i", *scales, self.cell_clip, self.cell_power, self.hidden_zp)
        )
