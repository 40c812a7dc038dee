"""A table of costs: what inferences of some models took on one kind of device, as a whole and by ops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Size = tuple[int, int]
"""Multiply-accumulates of an op, and the bytes of all tensors that it reads and writes."""


@dataclass(frozen=True)
class Item:
    """One op to be executed. `index` is its place in the model's main graph, `name` its first output's."""

    op: str
    macs: int
    bytes: int
    index: int = 0
    name: str = ""


@dataclass(frozen=True)
class Spent:
    """What all ops of one kind took together in one inference; `sizes` has each of them. A run has one for each op."""

    op: str
    sizes: tuple[Size, ...]
    took: float


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
        return tuple(Item(spent.op, *size) for spent in self.ops for size in spent.sizes)

    @property
    def shape(self) -> object:
        """What models have in common that do the same work: another training of one network is no other model."""
        return shape_of(self.items) if self.ops else (self.model, self.macs)


def shape_of(items: Iterable[Item]) -> object:
    """The work of these ops, in any order."""
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
