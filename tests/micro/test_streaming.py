"""Models with memory: what they answer depends on what came before, over many invokes, until they are reset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flat import Op, Tensor, options, write_model

from edgeq.micro.compile import compile_model
from edgeq.micro.native import NativeModel

STEPS = 50
RNG = np.random.default_rng(11)

LSTM = Path(__file__).resolve().parents[1] / "cases" / "models" / "lstm_int8.tflite"
"""Of tf_keras: `record_lstm.py` made it."""


def svdf_model() -> bytes:
    """A keyword spotter in small: SVDF, then a fully connected layer."""
    x = Tensor((1, 12), scales=(0.05,), zero_point=-4)
    feature = Tensor((16, 12), scales=(0.01,), data=RNG.integers(-127, 128, (16, 12)).astype(np.int8))
    time = Tensor((16, 8), "int16", (2.0**-12,), data=RNG.integers(-4000, 4000, (16, 8)).astype(np.int16))
    state = Tensor((1, 128), "int16", (2.0**-9,), variable=True)
    bias = Tensor((8,), "int32", data=RNG.integers(-9000, 9000, 8).astype(np.int32))
    h = Tensor((1, 8), scales=(0.08,), zero_point=-128)
    weights = Tensor((4, 8), scales=(0.02,), data=RNG.integers(-127, 128, (4, 8)).astype(np.int8))
    y = Tensor((1, 4), scales=(0.1,), zero_point=7)
    svdf = Op("SVDF", (x, feature, time, bias, state), (h,), options("SVDF", rank=2))
    return write_model([svdf, Op("FULLY_CONNECTED", (h, weights, None), (y,), options("FullyConnected"))], [x], [y])


def compare(data: bytes) -> None:
    """Fifty steps, then again from a reset state."""
    tflm = pytest.importorskip("oracles", reason="TFLM's wheel is not installed").tflm
    compiled = compile_model(data)
    shape = compiled.graph.tensors[compiled.graph.inputs[0]].shape
    assert compiled.arena.state_bytes > 0
    steps = [[RNG.integers(-128, 128, shape).astype(np.int8)] for _ in range(STEPS)]
    expected = [[array.tobytes() for array in step] for step in tflm(data, steps)]
    with NativeModel(compiled.image()) as model:
        assert [model.invoke([array.tobytes() for array in step]) for step in steps] == expected
        again = model.invoke([steps[0][0].tobytes()])
        model.reset()
        assert model.invoke([steps[0][0].tobytes()]) == expected[0]
    assert again != expected[0]


def test_svdf_over_fifty_steps() -> None:
    compare(svdf_model())


def test_lstm_of_tf_keras_over_fifty_steps() -> None:
    compare(LSTM.read_bytes())
