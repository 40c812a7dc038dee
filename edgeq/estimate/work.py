"""The ops of a model that a runtime executes, with the size of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgeq.estimate.table import Item, item_of
from edgeq.micro.compile import compile_model
from edgeq.micro.trace import trace
from edgeq.model.opwork import OpWork, joined_works, operator_works, together

MICRO = "edgeq-micro"


def items_of(model: bytes, runtime: str) -> tuple[Item, ...]:
    """One item for each op of the main graph; on `edgeq-micro` for each that its plan executes, with the work of those
    that the plan joins to it. `ConvertError` for a model that edgeq-micro cannot execute."""
    if runtime == MICRO:
        return _planned(model)
    return tuple(_item(index, work) for index, work in enumerate(operator_works(model)))


def _item(index: int, work: OpWork, also: Iterable[str] = ()) -> Item:
    item = item_of(work.op, work.macs, work.bytes, work.outputs, work.window, also)
    return replace(item, index=index, name=work.name)


def _planned(model: bytes) -> tuple[Item, ...]:
    """As `edgeq profile` tells a plan (`edgeq.profile.mcu`): each record belongs to the op that it is for; an op that
    none does costs nothing."""
    origins = trace(model, [op.kind for op in compile_model(model).plan.ops]) or ()
    works, joined = joined_works(model, origins), together(origins)
    within = {op for ops in joined.values() for op in ops} - set(joined)
    return tuple(
        _item(index, work, [works[op].op for op in joined.get(index, ())])
        for index, work in works.items()
        if index not in within
    )
