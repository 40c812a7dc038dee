"""Models with memory: what they answer depends on what came before, over many invokes, until they are reset."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flat import Op, Tensor, options, write_model

from edgeq.micro.compile import compile_model
from edgeq.micro.native import NativeModel

STEPS = 50
RNG = np.random.default_rng(11)

LSTM = """
import sys
import numpy as np, tensorflow as tf, tf_keras as k
k.utils.set_random_seed(3)
layers = [k.layers.LSTM(12, return_sequences=True), k.layers.LSTM(8), k.layers.Dense(5, activation='softmax')]
model = k.Sequential([k.Input(batch_shape=(1, 4, 10)), *layers])
rng = np.random.default_rng(0)
call = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec((1, 4, 10), tf.float32))
converter = tf.lite.TFLiteConverter.from_concrete_functions([call], model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
converter.representative_dataset = lambda: ([rng.normal(0, 1, (1, 4, 10)).astype('f4')] for _ in range(50))
open(sys.argv[1], 'wb').write(converter.convert())
"""


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


def lstm_model(folder: Path) -> bytes:
    pytest.importorskip("tf_keras", reason="tf_keras is not installed (pip install tf_keras)")
    environment = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", LSTM, str(folder / "lstm.tflite")]
    subprocess.run(command, env=environment, capture_output=True, check=True, timeout=300)
    return (folder / "lstm.tflite").read_bytes()


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


@pytest.mark.slow
def test_lstm_of_tf_keras_over_fifty_steps(tmp_path: Path) -> None:
    compare(lstm_model(tmp_path))
