"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM: operators with state."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeq.micro.fields import Gate, Scale, View
from edgeq.micro.graph import Node, Tensor
from edgeq.micro.lower.context import Lowering, require_dtypes, require_scale, unsupported
from edgeq.micro.numbers import scale_of
from edgeq.micro.pack import MAX_DOT, pack_rows
from edgeq.micro.records import Lstm, Svdf

GATE_SCALE = 2.0**-12
"""Of what a gate computes before its sigmoid or tanh, in int16."""
UNIT_SCALE = 2.0**-15
"""Of a sigmoid or tanh, in int16."""
GATES = ((1, 5, 12), (2, 6, 13), (3, 7, 14), (4, 8, 15))
"""Inputs of an LSTM for each gate: weights, recurrent weights, bias. Source: TFLite's `lstm_shared.h`."""
PEEPHOLES, PROJECTION, LAYER_NORMS = (9, 10, 11), (16, 17), (20, 21, 22, 23)
HIDDEN, CELL = 18, 19


def svdf(low: Lowering, node: Node) -> None:
    """SVDF with int8 activations and int8 or int16 state; like TFLite, its fused activation does nothing."""
    source, feature, time, state = (low.tensor(node, position) for position in (0, 1, 2, 4))
    bias, out, rank = low.optional(node, 3), low.result(node), node.option("rank")
    require_dtypes(node, (source, feature, out), "int8")
    require_dtypes(node, (time, state), "int8", "int16")
    require_scale(node, (source, feature, time, state, out))
    for tensor in (feature, time, *([bias] if bias else [])):
        if tensor.data is None:
            raise unsupported(node, tensor, "its weights are computed by the model", "Let them be constants.")
    filters, in_c = feature.shape
    memory = time.shape[1]
    if time.dtype != state.dtype or rank < 1 or filters % rank or source.elements % in_c:
        raise unsupported(node, state, "its shapes or types do not fit", "Convert the model again.")
    if in_c > MAX_DOT // 2:
        raise unsupported(node, feature, f"it has more than {MAX_DOT // 2} weights per filter", "Use smaller layers.")
    batches = source.elements // in_c
    low.emit(
        Svdf(
            low.allocate(out),
            low.view(source),
            low.constant(pack_rows(_integers(feature)), feature.name),
            low.view(time),
            low.view(bias) if bias else None,
            low.view(state),
            state.dtype == "int16",
            (batches, in_c, filters, rank, memory),
            (source.zero_point, state.zero_point, out.zero_point),
            scale_of(source.scale * feature.scale / state.scale),
            scale_of(state.scale * time.scale / out.scale),
        )
    )


def unidirectional_sequence_lstm(low: Lowering, node: Node) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM with int8 activations and an int16 cell, in its plain form."""
    source, hidden, cell, out = low.tensor(node, 0), low.tensor(node, HIDDEN), low.tensor(node, CELL), low.result(node)
    require_dtypes(node, (source, hidden, out), "int8")
    require_dtypes(node, (cell,), "int16")
    require_scale(node, (source, hidden, cell, out))
    for position in (*PEEPHOLES, *PROJECTION, *LAYER_NORMS):
        extra = low.optional(node, position)
        if extra is not None and extra.elements:
            raise unsupported(node, extra, "it has peepholes, a projection or layer norms", "Use a plain LSTM layer.")
    power = round(math.log2(cell.scale))
    if cell.scale != 2.0**power or cell.zero_point or not -27 <= power <= 0:
        raise unsupported(node, cell, "the cell's scale is no power of two up to 1", "Convert the model again.")
    in_c, units = source.shape[-1], hidden.shape[-1]
    time_major = bool(node.options["time_major"])
    batches, steps = (source.shape[1], source.shape[0]) if time_major else (source.shape[0], source.shape[1])
    gates = tuple(_gate(low, node, positions, source, hidden) for positions in GATES)
    low.emit(
        Lstm(
            low.allocate(out),
            low.view(source),
            low.view(hidden),
            low.view(cell),
            (batches, steps, in_c, units),
            time_major,
            (gates[0], gates[1], gates[2], gates[3]),
            scale_of(UNIT_SCALE),
            scale_of(UNIT_SCALE * UNIT_SCALE / cell.scale),
            scale_of(UNIT_SCALE * UNIT_SCALE / hidden.scale),
            _clip(float(node.options["cell_clip"]), cell.scale),
            power,
            hidden.zero_point,
        )
    )


def _clip(clip: float, scale: float) -> int:
    return int(max(-32768.0, min(32767.0, clip / scale))) if clip > 0 else 0


def _gate(low: Lowering, node: Node, positions: tuple[int, int, int], source: Tensor, hidden: Tensor) -> Gate:
    weights, recurrent = low.tensor(node, positions[0]), low.tensor(node, positions[1])
    bias = low.optional(node, positions[2])
    require_dtypes(node, (weights, recurrent), "int8")
    require_dtypes(node, [bias] if bias else [], "int32")
    require_scale(node, (weights, recurrent))
    for tensor in (weights, recurrent, *([bias] if bias else [])):
        if tensor.data is None:
            raise unsupported(node, tensor, "its weights are computed by the model", "Let them be constants.")
    plain = np.zeros(weights.shape[0], np.int64) if bias is None else _integers(bias)
    return Gate(
        low.constant(pack_rows(_integers(weights)), weights.name),
        _folded(low, weights, plain, source.zero_point),
        low.constant(pack_rows(_integers(recurrent)), recurrent.name),
        _folded(low, recurrent, np.zeros(recurrent.shape[0], np.int64), hidden.zero_point),
        _gate_scale(source, weights),
        _gate_scale(hidden, recurrent),
    )


def _gate_scale(source: Tensor, weights: Tensor) -> Scale:
    return scale_of(source.scale * weights.scale / GATE_SCALE)


def _folded(low: Lowering, weights: Tensor, bias: NDArray[np.int64], zero_point: int) -> View:
    folded = bias - zero_point * _integers(weights).sum(axis=1)
    return low.constant(folded.astype(np.int32), f"{weights.name} bias")


def _integers(tensor: Tensor) -> NDArray[np.int64]:
    return np.asarray(tensor.data).astype(np.int64)
