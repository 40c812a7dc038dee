"""A plan: records in order, the buffers they use, and where each lies in the arena."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.micro.arena import Layout, Storage, plan_arena
from edgeq.micro.fields import Buffer, View
from edgeq.micro.records import Op

STATE_ALIGN = 4


@dataclass(frozen=True)
class Plan:
    """Records, and the views that the inputs and outputs of the model are."""

    ops: tuple[Op, ...]
    inputs: tuple[View, ...]
    outputs: tuple[View, ...]
    states: tuple[Buffer, ...]


@dataclass(frozen=True)
class Arena:
    """Where every buffer of a plan lies. `bound` is the largest sum of bytes that are live at once, state included."""

    offsets: dict[Buffer, int]
    bytes: int
    bound: int
    state_bytes: int


def lay_out(plan: Plan) -> Arena:
    """Place state first, then everything else by its life time, results in place of operands where that is allowed."""
    offsets: dict[Buffer, int] = {}
    state = 0
    for buffer in plan.states:
        offsets[buffer] = state
        state += -(-buffer.size_bytes // STATE_ALIGN) * STATE_ALIGN
    spans = lives(plan)
    shared = _shared(plan, spans)
    groups: dict[Buffer, list[Buffer]] = {}
    for buffer in spans:
        groups.setdefault(shared[buffer], []).append(buffer)
    storages = [
        Storage(
            max(item.size_bytes for item in members),
            min(spans[item][0] for item in members),
            max(spans[item][1] for item in members),
            max(item.align for item in members),
        )
        for members in groups.values()
    ]
    layout: Layout = plan_arena(storages)
    for members, offset in zip(groups.values(), layout.offsets, strict=True):
        offsets.update(dict.fromkeys(members, state + offset))
    return Arena(offsets, state + layout.bytes, state + layout.bound, state)


def lives(plan: Plan) -> dict[Buffer, tuple[int, int]]:
    """First and last record for each buffer that is no state; inputs live from the start, outputs beyond the last."""
    spans: dict[Buffer, tuple[int, int]] = {}

    def touch(view: View, when: int) -> None:
        if view.buffer.data is None and not view.buffer.state:
            first, last = spans.get(view.buffer, (when, when))
            spans[view.buffer] = (min(first, when), max(last, when))

    for view in plan.inputs:
        touch(view, 0)
    for when, op in enumerate(plan.ops):
        for view in (*op.reads, op.out, *([op.scratch] if op.scratch else [])):
            touch(view, when)
    for view in plan.outputs:
        touch(view, len(plan.ops))
    return spans


def _shared(plan: Plan, lives: dict[Buffer, tuple[int, int]]) -> dict[Buffer, Buffer]:
    """For each buffer the one whose place it takes, itself by default."""
    leader = {buffer: buffer for buffer in lives}
    last = {buffer: life[1] for buffer, life in lives.items()}
    for when, op in enumerate(plan.ops):
        out = op.out.buffer
        if out not in lives or op.out.offset or lives[out][0] != when:
            continue
        for view in op.in_place:
            source = view.buffer
            fits = source in lives and source is not out and not view.offset and source.size_bytes == out.size_bytes
            if fits and _only(op, view) and last[leader[source]] == when:
                leader[out] = leader[source]
                last[leader[source]] = lives[out][1]
                break
    return leader


def _only(op: Op, view: View) -> bool:
    """Whether `view` is the only read of its buffer by this record, so that overwriting it spoils no other operand."""
    return sum(read.buffer is view.buffer for read in op.reads) == 1 or all(
        read == view for read in op.reads if read.buffer is view.buffer
    )
