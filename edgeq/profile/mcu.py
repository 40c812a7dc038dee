"""What the records of a plan took on a microcontroller, as rows of the model's ops."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.errors import ProtocolError
from edgeq.micro.records import KERNELS
from edgeq.micro.trace import trace
from edgeq.model.macs import Work, operator_macs
from edgeq.model.tflite import Subgraph, read_model
from edgeq.profile.table import WITHIN, Row

Runs = Sequence[Sequence[tuple[int, int]]]
"""For each run, for each record: the number of its kernel, and what it took."""


def rows_of(runs: Runs, model: bytes | None) -> tuple[list[Row], list[str]]:
    """One row for each op of `model`, or for each record where there is none or where it makes another plan; notes."""
    kinds = [kind for kind, _ in runs[0]]
    if any([kind for kind, _ in run] != kinds for run in runs):
        raise ProtocolError("The device executed other records in one inference than in the next.", "Profile again.")
    spent = [[run[record][1] for run in runs] for record in range(len(kinds))]
    names = [KERNELS.get(kind, f"kernel {kind}") for kind in kinds]
    if model is None:
        return _plain(names, spent), ["The bundle is not here: what the records do is told by their kernels alone."]
    origins = trace(model, kinds)
    if origins is None:
        return _plain(names, spent), ["This edgeq makes another plan of the model: records are told by their kernels."]
    return _of_model(names, spent, origins, read_model(model).subgraphs[0]), []


def _plain(names: Sequence[str], spent: Sequence[Sequence[int]]) -> list[Row]:
    return [Row(op=name, kernel=name, spent=taken) for name, taken in zip(names, spent, strict=True)]


def _of_model(
    names: Sequence[str], spent: Sequence[Sequence[int]], origins: Sequence[tuple[int, ...]], main: Subgraph
) -> list[Row]:
    records: dict[int, list[int]] = {}
    for record, ops in enumerate(origins):
        records.setdefault(ops[0], []).append(record)
    also = {index: sorted({op for record in found for op in origins[record][1:]}) for index, found in records.items()}
    done = {*records, *(op for ops in also.values() for op in ops)}
    rows = [_row(main, index, names, spent, found, also[index]) for index, found in records.items()]
    rows += [_idle(main, index, len(spent[0])) for index in range(len(main.operators)) if index not in done]
    return sorted(rows, key=lambda row: -1 if row.index is None else row.index)


def _row(
    main: Subgraph,
    index: int,
    names: Sequence[str],
    spent: Sequence[Sequence[int]],
    records: Sequence[int],
    also: Sequence[int],
) -> Row:
    name, macs, size = _facts(main, index)
    return Row(
        op=main.operators[index].name,
        kernel=" + ".join(dict.fromkeys(names[record] for record in records)),
        spent=[sum(spent[record][run] for record in records) for run in range(len(spent[0]))],
        count=len(records),
        index=index,
        name=name,
        macs=macs + sum(_facts(main, op)[1] for op in also),
        bytes=size,
        also=tuple(also),
    )


def _idle(main: Subgraph, index: int, runs: int) -> Row:
    return Row(main.operators[index].name, WITHIN, [0] * runs, 0, index, *_facts(main, index))


def _facts(main: Subgraph, index: int) -> tuple[str | None, int, int]:
    """Name of its first output, multiply-accumulates, and bytes that it reads and writes."""
    operator = main.operators[index]
    inputs = [main.tensors[tensor] if tensor >= 0 else None for tensor in operator.inputs]
    outputs = [main.tensors[tensor] for tensor in operator.outputs]
    work = Work(
        [tensor.shape if tensor else () for tensor in inputs],
        [tensor.shape for tensor in outputs],
        operator.transposed_x,
    )
    size = sum(tensor.size_bytes for tensor in (*inputs, *outputs) if tensor)
    return outputs[0].name if outputs else None, operator_macs(operator.name, work), size
