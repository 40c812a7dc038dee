"""What the records of a plan took, on a microcontroller or on Linux, as rows of the model's ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgeq.errors import ProtocolError
from edgeq.micro.records import KERNELS
from edgeq.micro.trace import trace
from edgeq.model.opwork import OpWork, joined_works, together
from edgeq.profile.table import WITHIN, Row, row_of

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
    return _of_model(names, spent, origins, model), []


def _plain(names: Sequence[str], spent: Sequence[Sequence[int]]) -> list[Row]:
    return [Row(op=name, kernel=name, spent=taken) for name, taken in zip(names, spent, strict=True)]


def _of_model(
    names: Sequence[str], spent: Sequence[Sequence[int]], origins: Sequence[tuple[int, ...]], model: bytes
) -> list[Row]:
    works, also = joined_works(model, origins), together(origins)
    records: dict[int, list[int]] = {}
    for record, ops in enumerate(origins):
        records.setdefault(ops[0], []).append(record)
    done = {*records, *(op for ops in also.values() for op in ops)}
    rows = [_row(works, index, names, spent, records[index], also[index]) for index in records]
    rows += [row_of(index, works[index], WITHIN, [0] * len(spent[0]), 0) for index in works if index not in done]
    return sorted(rows, key=lambda row: -1 if row.index is None else row.index)


def _row(
    works: Mapping[int, OpWork],
    index: int,
    names: Sequence[str],
    spent: Sequence[Sequence[int]],
    records: Sequence[int],
    also: Sequence[int],
) -> Row:
    kernel = " + ".join(dict.fromkeys(names[record] for record in records))
    taken = [sum(spent[record][run] for record in records) for run in range(len(spent[0]))]
    row = row_of(index, works[index], kernel, taken, len(records))
    return replace(row, also=tuple(also), also_ops=tuple(works[op].op for op in also))
