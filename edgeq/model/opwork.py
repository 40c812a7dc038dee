"""What there is to do for one operator: what a profile writes beside its time, and what an estimate goes by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from edgeq.model.info import Subgraph
from edgeq.model.macs import Work, operator_macs
from edgeq.model.tflite import read_model
from edgeq.model.window import CUT, Window, cuts, windows


class OpWork(NamedTuple):
    """`name` is that of its first output, `bytes` what it reads and writes, weights too, `outputs` the values of all
    its outputs."""

    op: str
    name: str
    macs: int
    bytes: int
    outputs: int
    window: Window | None = None


def operator_works(model: bytes) -> tuple[OpWork, ...]:
    """One for each operator of the main graph, in its order."""
    main = read_model(model).subgraphs[0]
    return tuple(_work(main, index, window) for index, window in enumerate(windows(model, main)))


def _work(main: Subgraph, index: int, window: Window | None) -> OpWork:
    operator = main.operators[index]
    inputs = [main.tensors[tensor] if tensor >= 0 else None for tensor in operator.inputs]
    outputs = [main.tensors[tensor] for tensor in operator.outputs]
    shapes = [tensor.shape if tensor else () for tensor in inputs], [tensor.shape for tensor in outputs]
    return OpWork(
        operator.name,
        outputs[0].name if outputs else "",
        operator_macs(operator.name, Work(*shapes, operator.transposed_x)),
        sum(tensor.size_bytes for tensor in (*inputs, *outputs) if tensor),
        sum(math.prod(shape) for shape in shapes[1]),
        window,
    )


def joined_works(model: bytes, origins: Sequence[tuple[int, ...]]) -> dict[int, OpWork]:
    """The work of operators that a plan executes together with others: by the first of each of `origins`, whose others
    join it with their multiply-accumulates. A picture that is cut for a convolution makes that a dilated one."""
    works, main = operator_works(model), read_model(model).subgraphs[0]
    blocks = cuts(model, main)
    found = dict(enumerate(works))
    for first, others in together(origins).items():
        work = works[first]
        block = next((blocks[other] for other in others if works[other].op == CUT and other in blocks), None)
        window = work.window._replace(dilation=block) if work.window and block else work.window
        found[first] = work._replace(macs=work.macs + sum(works[other].macs for other in others), window=window)
    return found


def together(origins: Sequence[tuple[int, ...]]) -> dict[int, list[int]]:
    """For each operator that a plan executes those that it does with it, in order."""
    found: dict[int, set[int]] = {}
    for first, *others in origins:
        found.setdefault(first, set()).update(others)
    return {first: sorted(others) for first, others in found.items()}
