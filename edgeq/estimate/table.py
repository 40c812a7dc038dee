"""A table of costs: what inferences of some models took on one kind of device, as a whole and by ops."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from edgeq.model.window import Window


class Size(NamedTuple):
    """How much there is to do for an op: multiply-accumulates and bytes of all tensors that it reads and writes; where
    it is known, values of its outputs, values of the picture that the filter's places gather (each place counts its
    own), and values that an addition or product behind it makes in passing."""

    macs: int
    bytes: int
    outputs: int = 0
    gathered: int = 0
    joined: int = 0


@dataclass(frozen=True)
class Item:
    """One op to be executed. `index` is its place in the model's main graph, `name` its first output's. `variant` tells
    ops of one kind apart that need other kernels; None where that is not known, in older runs."""

    op: str
    size: Size
    variant: str | None = None
    index: int = 0
    name: str = ""

    @property
    def macs(self) -> int:
        return self.size.macs

    @property
    def bytes(self) -> int:
        return self.size.bytes

    @property
    def kind(self) -> str:
        """What people call it."""
        return f"{self.op} {self.variant}" if self.variant else self.op


POINTWISE, DILATED = "1x1", "dilated"
CONVOLUTION = "CONV_2D"
_JOINED = ("ADD", "SUB", "MUL")


def item_of(op: str, macs: int, size: int, outputs: int, window: Window | None, also: Iterable[str] = ()) -> Item:
    """One op as a model's file or a profile's row tells it; `also` are the ops that it does in passing."""
    variant, gathered = "", 0
    if window:
        full = op == CONVOLUTION
        variant = DILATED if max(window.dilation) > 1 else POINTWISE if full and window.size == (1, 1) else ""
        gathered = outputs // window.channels[1] * math.prod(window.size) * window.channels[0] if full else 0
    joined = outputs * sum(other in _JOINED for other in also)
    return Item(op, Size(macs, size, outputs, gathered, joined), variant)


@dataclass(frozen=True)
class Spent:
    """What all ops of one kind took together in one inference; `sizes` has each of them. A run has one for each op."""

    op: str
    sizes: tuple[Size, ...]
    took: float
    variant: str | None = None


@dataclass(frozen=True)
class Measured:
    """One inference of one model, in the table's unit: `whole`, and by ops where somebody looked.

    `coarse` is the step of the clock that timed the ops."""

    model: str
    macs: int
    whole: float
    ops: tuple[Spent, ...] = ()
    coarse: float = 0.0
    source: str = ""

    @property
    def items(self) -> tuple[Item, ...]:
        """Its ops as if they were to be executed again."""
        return tuple(Item(spent.op, size, spent.variant) for spent in self.ops for size in spent.sizes)

    @property
    def shape(self) -> object:
        """What models have in common that do the same work: another training of one network is no other model."""
        return shape_of(self.items) if self.ops else (self.model, self.macs)


def shape_of(items: Iterable[Item]) -> object:
    """The work of these ops, in any order, as older runs tell it, too."""
    return tuple(sorted((item.op, item.macs, item.bytes) for item in items))


@dataclass(frozen=True)
class Key:
    """What must be the same for costs to be the same. `cpu` is as the device or the publication calls it."""

    target: str
    cpu: str
    runtime: str
    version: str
    kernels: str
    threads: int
    mode: str
    unit: str = "ns"
    """Or `instructions`, which are no time."""

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        kernels = f", {self.kernels} kernels" if self.kernels not in ("", self.runtime) else ""
        return f"{self.target} ({self.cpu}), {self.runtime} {self.version}{kernels}, {threads}, {self.mode}"


@dataclass(frozen=True)
class Table:
    """Costs under one key. `own` are the user's own runs, others are published ones."""

    name: str
    key: Key
    measured: tuple[Measured, ...]
    source: str
    own: bool = False

    @property
    def models(self) -> int:
        """How many different models it has seen."""
        return len({measured.shape for measured in self.measured})
