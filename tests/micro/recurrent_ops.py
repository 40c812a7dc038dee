"""Strategies of the recurrent operators: SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM, several steps each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from draws import (
    LIMITS,
    Case,
    Draw,
    Reals,
    activations,
    case,
    constant,
    dequantize,
    f32,
    integers,
    power,
    reach,
    zero_points,
)
from flat import Op, Tensor, activation, options
from hypothesis import strategies as st
from numpy.typing import NDArray


@st.composite
def svdf(draw: Draw) -> Case:
    """SVDF with int8 input and feature weights; state and time weights int16 or int8; several steps."""
    rank, units, memory = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 6))
    batch, depth, filters = draw(st.integers(1, 2)), draw(st.integers(1, 12)), rank * units
    kind = draw(st.sampled_from(("int16", "int16", "int8")))
    rim = LIMITS[kind][1]
    source = draw(activations((batch, depth), -10, 0))
    feature = constant(draw, Tensor((filters, depth), "int8", (draw(power(-10, 0)),)))
    largest = 128 * depth * reach(source)
    state_scale = f32(source.scale * feature.scale * largest / rim * 2.0 ** draw(st.floats(-4, 0)))
    state = Tensor((batch, filters * memory), kind, (state_scale,), variable=True)
    time = constant(draw, Tensor((filters, memory), kind, (draw(power(-18, -10)),)), rim // (rank * memory))
    bias = Tensor(
        (units,), "int32", (f32(state.scale * time.scale),), data=draw(integers((units,), "int32", rim**2 // 8))
    )
    fitting = state.scale * time.scale * rim**2 / 127
    out = Tensor((batch, units), "int8", (f32(fitting * 2.0 ** draw(st.floats(-8, 0))),), draw(zero_points))
    steps = [[draw(integers(source.shape))] for _ in range(draw(st.integers(1, memory + 2)))]

    def real(inputs: Sequence[Reals]) -> list[list[NDArray[np.float64]]]:
        assert feature.data is not None and time.data is not None and bias.data is not None
        line, results = np.zeros((batch, filters, memory)), []
        for (vectors,) in inputs:
            newest = np.clip(vectors @ dequantize(feature, feature.data).T / state.scale, -rim - 1, rim) * state.scale
            line = np.concatenate([line[:, :, 1:], newest[:, :, None]], axis=2)
            sums = (line * dequantize(time, time.data)).sum(axis=2).reshape(batch, units, rank).sum(axis=2)
            results.append([sums + bias.data * state.scale * time.scale])
        return results

    chosen = options("SVDF", rank=rank, fusedActivationFunction=activation("RELU"))
    op = Op("SVDF", (source, feature, time, bias, state), (out,), chosen)
    return case(op, (source,), steps, real)


@st.composite
def unidirectional_sequence_lstm(draw: Draw) -> Case:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, int8 with int16 cell state, several invokes of several time steps."""
    batch, times, depth, units = (draw(st.integers(1, high)) for high in (2, 4, 8, 6))
    time_major, clip = draw(st.booleans()), draw(st.sampled_from((0.0, 0.0, 1.5)))
    lead = (times, batch) if time_major else (batch, times)
    source = draw(activations((*lead, depth), -9, -4))
    hidden = Tensor((batch, units), "int8", (draw(power(-9, -6)),), draw(zero_points), variable=True)
    cell = Tensor((batch, units), "int16", (2.0 ** draw(st.integers(-15, -9)),), variable=True)
    inner = [constant(draw, Tensor((units, depth), "int8", (draw(power(-9, -5)),))) for _ in range(4)]
    outer = [constant(draw, Tensor((units, units), "int8", (draw(power(-9, -5)),))) for _ in range(4)]
    biases = [_gate_bias(draw, source, weights) for weights in inner]
    out = Tensor((*lead, units), "int8", hidden.scales, hidden.zero_point)
    steps = [[draw(integers(source.shape))] for _ in range(draw(st.integers(1, 3)))]

    def real(inputs: Sequence[Reals]) -> list[list[NDArray[np.float64]]]:
        h, c, results = np.zeros((batch, units)), np.zeros((batch, units)), []
        for (sequence,) in inputs:
            frames = sequence if time_major else sequence.swapaxes(0, 1)
            outputs = []
            for frame in frames:
                pre = [
                    _gate(
                        _gate(frame @ dequantize(w, w.data).T + dequantize(b, b.data))
                        + _gate(h @ dequantize(r, r.data).T)
                    )
                    for w, r, b in zip(inner, outer, biases, strict=True)
                    if w.data is not None and r.data is not None and b.data is not None
                ]
                i, f, g, o = _sigmoid(pre[0]), _sigmoid(pre[1]), np.tanh(pre[2]), _sigmoid(pre[3])
                rim = min(clip or np.inf, 32767 * cell.scale)
                c = np.clip(f * c + i * g, -rim, rim)
                low, high = (np.array([-128, 127]) - hidden.zero_point) * hidden.scale
                h = np.clip(o * np.tanh(c), low, high)
                outputs.append(h)
            stacked = np.stack(outputs)
            results.append([stacked if time_major else stacked.swapaxes(0, 1)])
        return results

    chosen = options(
        "UnidirectionalSequenceLSTM",
        fusedActivationFunction=activation("TANH"),
        cellClip=clip,
        timeMajor=time_major,
    )
    peepholes, projection, norms = [None] * 3, [None] * 2, [None] * 4
    tensors = (source, *inner, *outer, *peepholes, *biases, *projection, hidden, cell, *norms)
    spare = [Tensor((0,), "int16", (2.0**-12,)) for _ in range(4)]
    between = (*spare, Tensor((0,), "int8", hidden.scales, hidden.zero_point))
    op = Op("UNIDIRECTIONAL_SEQUENCE_LSTM", tensors, (out,), chosen, between)
    return case(op, (source,), steps, real)


def _gate_bias(draw: Draw, source: Tensor, weights: Tensor) -> Tensor:
    """Of a gate: up to 4 in real terms."""
    scale = f32(source.scale * weights.scale)
    count = weights.shape[0]
    return Tensor((count,), "int32", (scale,), data=draw(integers((count,), "int32", int(4 / scale))))


def _gate(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the int16 input of a gate can hold, 4 bits before the point."""
    return np.clip(x, -8, 8 - 2**-12)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))
