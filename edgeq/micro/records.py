"""The kernels of the C runtime as the plan compiler sees them: one record each, in the layout of `eq_image.h`."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from edgeq.micro.fields import NO_SUM, Gate, Place, Scale, Sum, View, Walk, Window, contiguous, encoded


@dataclass(frozen=True)
class Op:
    """One record. The class says what its fields are to the compiler, by their names:

    `operands` are what it reads, constants too; `tables` its weights and tables; `reusable` those operands at whose
    very place `out` may be written; `layout` the record behind its head, in the order of the C struct.
    """

    kind: ClassVar[int]
    name: ClassVar[str]
    operands: ClassVar[tuple[str, ...]] = ("source",)
    tables: ClassVar[tuple[str, ...]] = ()
    reusable: ClassVar[tuple[str, ...]] = ()
    layout: ClassVar[tuple[str, ...]]

    out: View

    @property
    def reads(self) -> tuple[View, ...]:
        """What it reads, weights and tables left aside."""
        return self._views(self.operands)

    @property
    def in_place(self) -> tuple[View, ...]:
        """Reads at whose very place `out` may be written."""
        return self._views(self.reusable)

    @property
    def constants(self) -> tuple[View, ...]:
        """Weights and tables."""
        return self._views(self.tables)

    @property
    def scratch(self) -> View | None:
        """Working memory of this op alone."""
        return None

    def encode(self, place: Place) -> bytes:
        """The whole record."""
        payload = b"".join(encoded(name, getattr(self, name), place) for name in self.layout)
        return struct.pack("<HH", self.kind, 4 + len(payload)) + payload

    def _views(self, names: Sequence[str]) -> tuple[View, ...]:
        found = (getattr(self, name) for name in names)
        return tuple(view for view in found if view is not None)


@dataclass(frozen=True)
class Conv(Op):
    """Convolution, also with a residual added behind it (`sum.a` is the convolution's result)."""

    kind: ClassVar[int] = 1
    name: ClassVar[str] = "conv_i8"
    operands: ClassVar = ("source", "residual")
    tables: ClassVar = ("weights", "channels")
    layout: ClassVar = (
        *("win", "source", "out", "weights", "channels", "patch_at", "patch_bytes", "in_zp", "out_zp", "act"),
        *("residual", "terms"),
    )
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
    def in_place(self) -> tuple[View, ...]:
        """The residual, unless the convolution itself reads it around each place."""
        if self.residual is None or self.residual.buffer is self.source.buffer:
            return ()
        return (self.residual,)

    @property
    def scratch(self) -> View | None:
        return self.patch

    @property
    def patch_at(self) -> View | int:
        """The scratch memory's place, 0 without."""
        return self.patch or 0

    @property
    def patch_bytes(self) -> int:
        """And its size."""
        return self.patch.buffer.size_bytes if self.patch else 0

    @property
    def terms(self) -> Sum | bytes:
        """The sum, or zeros."""
        return self.sum or NO_SUM


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
    tables: ClassVar = ("weights", "channels")
    layout: ClassVar = (
        *("rows", "in_c", "out_c", "source", "out", "weights", "channels"),
        *("no_scratch", "no_scratch", "out_zp", "act"),
    )
    no_scratch: ClassVar[int] = 0
    source: View
    rows: int
    in_c: int
    out_c: int
    weights: View
    channels: View
    out_zp: int
    act: tuple[int, int]


@dataclass(frozen=True)
class AvgPool(Op):
    """Average of windows."""

    kind: ClassVar[int] = 4
    name: ClassVar[str] = "avgpool_i8"
    layout: ClassVar = ("win", "source", "out", "act")
    source: View
    win: Window
    act: tuple[int, int]


@dataclass(frozen=True)
class MaxPool(AvgPool):
    """Maximum of windows."""

    kind: ClassVar[int] = 5
    name: ClassVar[str] = "maxpool_i8"


@dataclass(frozen=True)
class Mean(Op):
    """Mean over some axes."""

    kind: ClassVar[int] = 6
    name: ClassVar[str] = "mean_i8"
    layout: ClassVar = ("source", "out", "keep", "reduce", "in_zp", "out_zp", "scale", "act")
    source: View
    keep: Walk
    reduce: Walk
    in_zp: int
    out_zp: int
    scale: Scale
    act: tuple[int, int]


@dataclass(frozen=True)
class Binary(Op):
    """Two operands, broadcast by steps of 0."""

    operands: ClassVar = ("a", "b")
    a: View
    b: View
    dims: tuple[int, ...]
    a_step: tuple[int, ...]
    b_step: tuple[int, ...]

    @property
    def in_place(self) -> tuple[View, ...]:
        """Operands that are not broadcast."""
        dense = [step if size > 1 else 0 for size, step in zip(self.dims, contiguous(self.dims), strict=True)]
        return tuple(
            view
            for view, steps in ((self.a, self.a_step), (self.b, self.b_step))
            if [step if size > 1 else 0 for size, step in zip(self.dims, steps, strict=True)] == dense
        )


@dataclass(frozen=True)
class Add(Binary):
    """a + b or a - b."""

    kind: ClassVar[int] = 7
    name: ClassVar[str] = "add_i8"
    layout: ClassVar = ("a", "b", "out", "dims", "a_step", "b_step", "sum")
    sum: Sum


@dataclass(frozen=True)
class Mul(Binary):
    """a * b."""

    kind: ClassVar[int] = 8
    name: ClassVar[str] = "mul_i8"
    layout: ClassVar = (
        *("a", "b", "out", "dims", "a_step", "b_step", "a_zp", "b_zp", "out_zp", "scale", "act"),
    )  # fmt: skip
    a_zp: int
    b_zp: int
    out_zp: int
    scale: Scale
    act: tuple[int, int]


@dataclass(frozen=True)
class Lut(Op):
    """A table of 256 int8."""

    kind: ClassVar[int] = 9
    name: ClassVar[str] = "lut_i8"
    tables: ClassVar = ("table",)
    reusable: ClassVar = ("source",)
    layout: ClassVar = ("source", "out", "count", "table")
    source: View
    count: int
    table: View


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over rows; `table` holds 256 exponentials, `wide` means an int16 output."""

    kind: ClassVar[int] = 10
    name: ClassVar[str] = "softmax_i8"
    tables: ClassVar = ("table",)
    layout: ClassVar = ("source", "out", "rows", "depth", "table", "wide")
    source: View
    rows: int
    depth: int
    table: View
    wide: bool = False

    @property
    def in_place(self) -> tuple[View, ...]:
        return () if self.wide else (self.source,)


@dataclass(frozen=True)
class Copy(Op):
    """A strided copy."""

    kind: ClassVar[int] = 11
    name: ClassVar[str] = "copy"
    layout: ClassVar = ("source", "out", "elem_bytes", "dims", "in_step", "out_step")
    source: View
    elem_bytes: int
    dims: tuple[int, ...]
    in_step: tuple[int, ...]
    out_step: tuple[int, ...]


@dataclass(frozen=True)
class Fill(Op):
    """One value everywhere."""

    kind: ClassVar[int] = 12
    name: ClassVar[str] = "fill"
    operands: ClassVar = ()
    layout: ClassVar = ("out", "count", "elem_bytes", "value")
    count: int
    elem_bytes: int
    value: int


@dataclass(frozen=True)
class Quantize(Op):
    """float32 to int8 or int16."""

    kind: ClassVar[int] = 13
    name: ClassVar[str] = "quantize_f32"
    layout: ClassVar = ("source", "out", "count", "dtype", "scale", "zero_point")
    source: View
    count: int
    dtype: int
    scale: float
    zero_point: int


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
    layout: ClassVar = ("source", "out", "count", "in_dtype", "out_dtype", "in_zp", "out_zp", "scale")
    source: View
    count: int
    in_dtype: int
    out_dtype: int
    in_zp: int
    out_zp: int
    scale: Scale


@dataclass(frozen=True)
class Svdf(Op):
    """One step of an SVDF."""

    kind: ClassVar[int] = 16
    name: ClassVar[str] = "svdf_i8"
    operands: ClassVar = ("source", "state")
    tables: ClassVar = ("feature", "time", "bias")
    layout: ClassVar = (
        *("source", "out", "feature", "time", "bias", "state", "wide", "shape", "zero_points", "to_state", "to_out"),
    )
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


@dataclass(frozen=True)
class Lstm(Op):
    """An LSTM over a sequence."""

    kind: ClassVar[int] = 17
    name: ClassVar[str] = "lstm_i8"
    operands: ClassVar = ("source", "hidden", "cell")
    layout: ClassVar = (
        *("source", "out", "hidden", "cell", "shape", "time_major", "gates", "forget", "input", "to_hidden"),
        *("cell_clip", "cell_power", "hidden_zp"),
    )
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
    def constants(self) -> tuple[View, ...]:
        return tuple(
            view for gate in self.gates for view in (gate.weights, gate.bias, gate.recurrent, gate.recurrent_bias)
        )


KERNELS = {
    item.kind: item.name
    for item in tuple(vars().values())
    if isinstance(item, type) and issubclass(item, Op) and hasattr(item, "kind")
}
"""The name of each kernel, by its number."""
