"""What LiteRT's profiler told on a Linux device, as rows of the model's ops."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edgeq.errors import ProtocolError
from edgeq.model.macs import Work, operator_macs
from edgeq.model.opwork import OpWork
from edgeq.model.schema import OPERATORS
from edgeq.model.window import window_of
from edgeq.profile.delegate import Wanted, assign
from edgeq.profile.table import WITHIN, Row, middle, row_of

MOST_DETAIL_BYTES = 16 << 20
FINE = 10
"""Below that many ticks of the profiler's clock a figure is rough."""
NODE, DELEGATED = 2, 8
"""Types of events (`firmware_stubs/PROTOCOL.md`, profile)."""
BUILTIN, XNNPACK = "builtin", "XNNPACK"


class Told(NamedTuple):
    """What came from the device: facts of the runtime, its events and nodes of the model's graph, or kinds of the
    records of edgeq-micro's plan, and for each run the nanoseconds of each and of a whole inference that was not
    profiled."""

    facts: Mapping[str, Any]
    events: Sequence[tuple[int, int, str]]
    graph: Sequence[OpWork]
    spent: Sequence[Sequence[int]]
    whole: Sequence[int]
    records: Sequence[int] = ()


def read(detail: bytes, samples: Sequence[int], runs: int) -> Told:
    """Take the device's answer apart; `ProtocolError` where it contradicts itself."""
    try:
        inflate = zlib.decompressobj()
        document = json.loads(inflate.decompress(detail, MOST_DETAIL_BYTES))
        records = [int(kind) for kind in document.get("records", ())]
        events = [] if records else [(int(kind), int(node), str(tag)) for kind, node, tag in document["events"]]
        graph = [] if records else [_checked(index, node) for index, node in enumerate(document["graph"])]
        facts: dict[str, Any] = {key: str(document[key]) for key in ("runtime", "kernels")}
        facts |= {key: int(document[key]) for key in ("threads", "clock_ns")}
        facts |= {"graph": str(document["graph_name"])} if document.get("graph_name") else {}
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(f"{error!r}") from error
    ops = len(records or events)
    width = ops + 1
    if not ops or len(samples) != runs * width:
        raise _damaged(f"{len(samples)} samples of {ops} ops and {runs} runs")
    rows = [samples[at : at + width] for at in range(0, len(samples), width)]
    return Told(facts, events, graph, [row[:-1] for row in rows], [row[-1] for row in rows], records)


def _checked(index: int, node: Mapping[str, Any]) -> OpWork:
    if node["index"] != index or not 0 <= int(node["code"]) < len(OPERATORS):
        raise ValueError(f"node {index}")
    name = OPERATORS[int(node["code"])]
    shapes = [[tuple(map(int, shape)) for shape in node[key]] for key in ("inputs", "outputs")]
    work = Work(shapes[0], shapes[1], bool(node.get("transposed_x")))
    # An agent of an older edgeq tells no options: strides are then not known, and no window is told.
    options = node.get("options")
    given = {str(key): int(value) for key, value in options.items()} if options else {}
    return OpWork(
        name,
        str(node["name"]),
        operator_macs(name, work),
        int(node["bytes"]),
        sum(map(math.prod, work.outputs)),
        window_of(name, work, given) if given else None,
    )


def _damaged(why: str) -> ProtocolError:
    return ProtocolError(f"The device sends a damaged profile: {why}."[:300], "Run the command again.")


def rows_of(told: Told) -> tuple[list[Row], list[str]]:
    """One row for each op of the model, and for what belongs to none; notes on what could not be told."""
    owners = _owners(told)
    placed: dict[int, list[int]] = {}
    for event, index in enumerate(owners):
        if index is not None:
            placed.setdefault(index, []).append(event)
    rows = [_row(told, index, events) for index, events in sorted(placed.items())]
    loose = [event for event, index in enumerate(owners) if index is None]
    # What no event names was done in passing, unless it is among what could not be mapped.
    if not loose:
        rows += [_idle(told, index) for index in range(len(told.graph)) if index not in placed]
    rows.sort(key=lambda row: -1 if row.index is None else row.index)
    rows += [_loose(told, event) for event in loose]
    notes = []
    if loose:
        notes.append(f"Of {len(loose)} of the runtime's ops it could not be told which of the model's they are.")
    return rows, notes + quick(rows, told.facts["clock_ns"], "which whole microseconds tell only roughly")


def quick(rows: Sequence[Row], clock_ns: int, why: str) -> list[str]:
    """A note where ops take so little that the clock, or the way to it, shows."""
    coarse = FINE * clock_ns
    found = sum(row.count > 0 and middle(row.spent) < coarse for row in rows)
    many = f"{found} ops take" if found > 1 else "1 op takes"
    return [f"{many} less than {coarse / 1000:g} us, {why}."] if found else []


def _owners(told: Told) -> list[int | None]:
    """For each event the op of the model that it belongs to."""
    owners: list[int | None] = [None] * len(told.events)
    own = {node for kind, node, _ in told.events if kind == NODE}
    start, lowest = 0, 0
    nodes = (event for event, (kind, node, _) in enumerate(told.events) if kind == NODE and node < len(told.graph))
    ends = [*nodes, len(told.events)]
    for end in ends:
        highest = told.events[end][1] if end < len(told.events) else len(told.graph)
        taken = [index for index in range(lowest, highest) if index not in own]
        wanted = [Wanted(index, told.graph[index].op, told.graph[index].macs > 0) for index in taken]
        owners[start:end] = assign([tag for _, _, tag in told.events[start:end]], wanted)
        if end < len(told.events):
            owners[end] = highest if _is_node(told, end) else None
        start, lowest = end + 1, max(lowest, highest + 1)
    return owners


def _is_node(told: Told, event: int) -> bool:
    """Whether the runtime's event is the node of the model that it says."""
    _, node, tag = told.events[event]
    return told.graph[node].op in (tag, "CUSTOM")


def _row(told: Told, index: int, events: Sequence[int]) -> Row:
    delegated = told.events[events[0]][0] == DELEGATED
    tags = " + ".join(told.events[event][2] for event in events)
    spent = [sum(run[event] for event in events) for run in told.spent]
    return row_of(index, told.graph[index], f"{XNNPACK} {tags}" if delegated else BUILTIN, spent, len(events))


def _idle(told: Told, index: int) -> Row:
    return row_of(index, told.graph[index], WITHIN, [0] * len(told.spent), 0)


def _loose(told: Told, event: int) -> Row:
    kind, _, tag = told.events[event]
    return Row(tag, XNNPACK if kind == DELEGATED else "delegate", [run[event] for run in told.spent])
