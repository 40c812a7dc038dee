"""Fusion: fewer records and fewer bytes, never another result.

On the graph: PAD into the convolution behind it, and a convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND into
the dilated one that it stands for (TFLite writes it so for a model of any batch size). On records: a clamp into its
producer, a residual sum into its convolution, a copy into the record whose result it copies.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from edgeq.micro.fields import Buffer, Sum, View
from edgeq.micro.graph import Graph, Node, Tensor
from edgeq.micro.plan import Plan
from edgeq.micro.records import Add, AvgPool, Conv, Copy, Dense, Lut, Mean, Mul, Op

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
PADS = ("PAD", "PADV2")


def fuse_pads(graph: Graph) -> Graph:
    """The graph without each PAD of height and width whose only reader is a convolution; TFLite pads both alike."""
    readers = _readers(graph)
    pads = {node.outputs[0]: node for node in graph.nodes if node.op in PADS and _pads_picture(graph, node)}
    nodes, dropped = [], set()
    for node in graph.nodes:
        source = node.inputs[0] if node.inputs else -1
        if node.op in CONVOLUTIONS and source in pads and readers[source] == 1:
            nodes.append(_with_pad(graph, node, pads[source]))
            dropped.add(source)
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(node for node in nodes if not (node.outputs and node.outputs[0] in dropped)))


def fuse_dilations(graph: Graph) -> Graph:
    """The graph with dilated convolutions in place of those over a picture that was cut into a batch."""
    readers = _readers(graph)
    givers = {node.outputs[0]: node for node in graph.nodes if node.outputs}
    nodes, dropped = list(graph.nodes), set[int]()
    for when, node in enumerate(graph.nodes):
        conv = givers.get(node.inputs[0]) if node.op == "BATCH_TO_SPACE_ND" else None
        cut = givers.get(conv.inputs[0]) if conv and conv.op in CONVOLUTIONS else None
        if conv is None or cut is None or cut.op != "SPACE_TO_BATCH_ND":
            continue
        options = _dilated(graph, cut, conv, node)
        if options and readers[cut.outputs[0]] == readers[conv.outputs[0]] == 1:
            nodes[when] = replace(conv, inputs=(cut.inputs[0], *conv.inputs[1:]), outputs=node.outputs, options=options)
            dropped |= {cut.outputs[0], conv.outputs[0]}
    return replace(graph, nodes=tuple(node for node in nodes if not (node.outputs and node.outputs[0] in dropped)))


def _dilated(graph: Graph, cut: Node, conv: Node, join: Node) -> dict[str, float] | None:
    """The options of the dilated convolution, or None where the three are something else."""
    constants = [graph.tensors[index].data for index in (*cut.inputs[1:3], *join.inputs[1:3])]
    if any(values is None for values in constants):
        return None
    block, pads, same, crops = (np.asarray(values).reshape(-1).tolist() for values in constants)
    plain = conv.options.get("padding") == 1 and all(conv.options[key] == 1 for key in ("stride_h", "stride_w"))
    if len(block) != 2 or block != same or not plain or (conv.options["dil_h"], conv.options["dil_w"]) != (1, 1):
        return None
    grown = [pad - crop for pad, crop in zip(pads, crops, strict=True)]
    if grown[0] < 0 or grown[2] < 0:
        return None
    more = {"pad_top": grown[0], "pad_left": grown[2], "grow_h": grown[0] + grown[1], "grow_w": grown[2] + grown[3]}
    return {**conv.options, "dil_h": block[0], "dil_w": block[1], **more}


def _readers(graph: Graph) -> Counter[int]:
    counted = Counter(index for node in graph.nodes for index in node.inputs)
    counted.update(graph.outputs)
    return counted


def _amounts(graph: Graph, node: Node) -> list[list[int]]:
    tensor: Tensor = graph.tensors[node.inputs[1]]
    return [] if tensor.data is None else np.asarray(tensor.data, np.int64).reshape(-1, 2).tolist()


def _pads_picture(graph: Graph, node: Node) -> bool:
    """Whether a PAD puts the zero point around height and width, and nothing else anywhere."""
    source, out, amounts = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]], _amounts(graph, node)
    if len(amounts) != 4 or any(amounts[0] + amounts[3]) or min(amounts[1] + amounts[2]) < 0 or out.dtype != "int8":
        return False
    if node.op == "PADV2":
        value = graph.tensors[node.inputs[2]].data
        if value is None or np.asarray(value).reshape(-1).tolist() != [out.zero_point]:
            return False
    return (source.scales, source.zero_points) == (out.scales, out.zero_points)


def _with_pad(graph: Graph, node: Node, pad: Node) -> Node:
    _, (top, bottom), (left, right), _ = _amounts(graph, pad)
    old = {key: int(node.options.get(key, 0)) for key in ("pad_top", "pad_left", "grow_h", "grow_w")}
    more = {"pad_top": top, "pad_left": left, "grow_h": top + bottom, "grow_w": left + right}
    more = {key: value + old[key] for key, value in more.items()}
    return replace(node, inputs=(pad.inputs[0], *node.inputs[1:]), options={**node.options, **more})


def fuse_ops(plan: Plan, copies: bool = True) -> Plan:
    """Everything on records, until nothing changes; `copies` may cost memory, for a result then lives from its first
    part on."""
    while True:
        fused = _residuals(_clamps(plan))
        fused = _copies(fused) if copies else fused
        if len(fused.ops) == len(plan.ops):
            return fused
        plan = fused


def _uses(plan: Plan) -> Counter[Buffer]:
    """How often each buffer is read, as an output of the model too."""
    counted = Counter(view.buffer for op in plan.ops for view in op.reads)
    counted.update(view.buffer for view in plan.outputs)
    return counted


def _producers(plan: Plan) -> dict[Buffer, int]:
    """The record that gives each buffer, where one record gives it whole."""
    writers = Counter(op.out.buffer for op in plan.ops)
    return {
        op.out.buffer: when
        for when, op in enumerate(plan.ops)
        if writers[op.out.buffer] == 1 and op.out.offset == 0 and not op.out.buffer.state
    }


def _clamps(plan: Plan) -> Plan:
    """A table that only clamps becomes a narrower activation range of the record before it."""
    ops, uses, producers = list(plan.ops), _uses(plan), _producers(plan)
    for when, op in enumerate(ops):
        if not isinstance(op, Lut) or op.table.buffer.data is None or op.source.offset or uses[op.source.buffer] != 1:
            continue
        bounds = _clamp(op.table.buffer.data)
        before = producers.get(op.source.buffer)
        if bounds is None or before is None or op.source.buffer.size_bytes != op.count:
            continue
        narrowed = _narrowed(ops[before], bounds)
        if narrowed is not None:
            ops[before] = replace(narrowed, out=op.out)
            del ops[when]
            return _clamps(replace(plan, ops=tuple(ops)))
    return plan


def _clamp(table: bytes) -> tuple[int, int] | None:
    values = np.frombuffer(table, np.int8).astype(int)
    low, high = int(values[0]), int(values[-1])
    same = low <= high and (values == np.clip(np.arange(-128, 128), low, high)).all()
    return (low, high) if same else None


def _narrowed(op: Op, bounds: tuple[int, int]) -> Op | None:
    """The record with its result clamped further, or None where it cannot clamp."""

    def both(act: tuple[int, int]) -> tuple[int, int]:
        low, high = (max(bounds[0], min(bounds[1], value)) for value in act)
        return low, high

    if isinstance(op, Conv) and op.sum is not None:
        return replace(op, sum=replace(op.sum, act=both(op.sum.act)))
    if isinstance(op, (Conv, Dense, AvgPool, Mean, Mul)):
        return replace(op, act=both(op.act))
    return replace(op, sum=replace(op.sum, act=both(op.sum.act))) if isinstance(op, Add) else None


def _residuals(plan: Plan) -> Plan:
    """A sum of two whole tensors joins the convolution that gave one of them, the later one where both could."""
    uses, producers = _uses(plan), _producers(plan)
    for when, op in enumerate(plan.ops):
        if not isinstance(op, Add) or len(op.dims) != 1 or op.a_step != (1,) or op.b_step != (1,):
            continue
        for view, other in sorted(((op.a, op.b), (op.b, op.a)), key=lambda pair: -producers.get(pair[0].buffer, -1)):
            before = producers.get(view.buffer)
            if before is None or uses[view.buffer] != 1 or view.buffer.size_bytes != op.dims[0]:
                continue
            conv = plan.ops[before]
            if type(conv) is not Conv or conv.sum is not None or not _ready(plan, other, before):
                continue
            if view is op.b and op.sum.subtract:
                continue
            total = op.sum if view is op.a else _swapped(op.sum)
            joined = replace(conv, out=op.out, residual=other, sum=total)
            ops = [*plan.ops[:before], joined, *plan.ops[before + 1 : when], *plan.ops[when + 1 :]]
            return _residuals(replace(plan, ops=tuple(ops)))
    return plan


def _swapped(total: Sum) -> Sum:
    return replace(total, a_zp=total.b_zp, b_zp=total.a_zp, a=total.b, b=total.a)


def _ready(plan: Plan, view: View, when: int) -> bool:
    """Whether everything that writes a buffer comes before record `when`; its readers behind see the same values."""
    buffer = view.buffer
    if buffer.data is not None:
        return True
    return not buffer.state and all(op.out.buffer is not buffer for op in plan.ops[when:])


def _copies(plan: Plan) -> Plan:
    """A copy of a whole buffer into one piece of another: the record that gives the buffer writes there itself."""
    uses, producers = _uses(plan), _producers(plan)
    for when, op in enumerate(plan.ops):
        if not isinstance(op, Copy) or op.in_step != (1,) or op.out_step != (1,) or op.source.offset:
            continue
        source, before = op.source.buffer, producers.get(op.source.buffer)
        if (
            before is None
            or uses[source] != 1
            or source.size_bytes != op.dims[0] * op.elem_bytes
            or op.out.buffer.state
        ):
            continue
        if any(
            other.out.buffer is op.out.buffer and other is not op
            for other in plan.ops[before:when]
            if not isinstance(other, Copy)
        ):
            continue
        ops = list(plan.ops)
        ops[before] = replace(ops[before], out=op.out)
        del ops[when]
        return _copies(replace(plan, ops=tuple(ops)))
    return plan
