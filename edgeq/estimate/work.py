"""The ops of a model that a runtime executes, with the size of each."""

from __future__ import annotations

from edgeq.estimate.table import Item
from edgeq.micro.compile import compile_model
from edgeq.micro.trace import trace
from edgeq.model.macs import Work, operator_macs
from edgeq.model.tflite import Subgraph, read_model

MICRO = "edgeq-micro"


def items_of(model: bytes, runtime: str) -> tuple[Item, ...]:
    """One item for each op of the main graph; on `edgeq-micro` for each that its plan executes, with the work of those
    that the plan joins to it. `ConvertError` for a model that edgeq-micro cannot execute."""
    main = read_model(model).subgraphs[0]
    items = [_item(main, index) for index in range(len(main.operators))]
    return _planned(model, items) if runtime == MICRO else tuple(items)


def _item(main: Subgraph, index: int) -> Item:
    operator = main.operators[index]
    inputs = [main.tensors[tensor] if tensor >= 0 else None for tensor in operator.inputs]
    outputs = [main.tensors[tensor] for tensor in operator.outputs]
    shapes = [tensor.shape if tensor else () for tensor in inputs], [tensor.shape for tensor in outputs]
    return Item(
        operator.name,
        operator_macs(operator.name, Work(*shapes, operator.transposed_x)),
        sum(tensor.size_bytes for tensor in (*inputs, *outputs) if tensor),
        index,
        outputs[0].name if outputs else "",
    )


def _planned(model: bytes, items: list[Item]) -> tuple[Item, ...]:
    """As `edgeq profile` tells a plan (`edgeq.profile.mcu`): each record belongs to the op that it is for; an op that
    none does costs nothing."""
    origins = trace(model, [op.kind for op in compile_model(model).plan.ops]) or ()
    joined: dict[int, set[int]] = {}
    for ops in origins:
        joined.setdefault(ops[0], set()).update(ops[1:])
    within = {op for ops in joined.values() for op in ops} - set(joined)
    return tuple(
        Item(
            item.op,
            item.macs + sum(items[op].macs for op in joined.get(item.index, ())),
            item.bytes,
            item.index,
            item.name,
        )
        for item in items
        if item.index not in within
    )
