"""The models that the tests train and take over, and samples for them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import floatgraphs
import numpy as np
from once import once

from edgeq.quantize.outputs import Runner
from edgeq.quantize.samples import as_samples

_TFMOT = """
import tf_keras, numpy as np, tensorflow as tf
import tensorflow_model_optimization as tfmot
L = tf_keras.layers
tf_keras.utils.set_random_seed(1)
x = tf_keras.Input((8, 8, 2), name="image")
y = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, use_bias=False)(x)))
y = L.ReLU()(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same")(y)))
y = L.ReLU()(L.Add()([y, L.Conv2D(8, 1)(y)]))
y = L.Softmax()(L.Dense(3)(L.GlobalAveragePooling2D()(y)))
plain = tf_keras.Model(x, y)
samples = np.random.default_rng(0).normal(size=(96, 8, 8, 2)).astype("float32")
labels = samples.mean((1, 2, 3)) > 0
model = tfmot.quantization.keras.quantize_model(plain)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(samples, labels, batch_size=24, epochs=1, verbose=0)
model.save("wrapped.h5")
model.save("saved")
np.save("x.npy", samples)
for name in ("marked", "int8"):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if name == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    open(name + ".tflite", "wb").write(converter.convert())
"""


@functools.cache
def made() -> Path:
    """The folder of `floatgraphs.make`."""
    return once("qat-networks", floatgraphs.make)


@functools.cache
def trained() -> Path:
    """A model that tfmot has trained as `.h5`, SavedModel, float `.tflite` with its marks, and TensorFlow's own int8
    model; its samples in `x.npy`."""
    return once("qat-tfmot", _train)


def _train(folder: Path) -> None:
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-W", "ignore", "-c", _TFMOT]
    done = subprocess.run(command, cwd=folder, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def float_model() -> bytes:
    """A network that is trained in a second."""
    return (made() / "layers.tflite").read_bytes()


def write_samples(path: Path, count: int) -> None:
    """Samples for `float_model`; as `.npz` with what it says itself as their labels."""
    x = np.random.default_rng(3).normal(size=(count, 8, 8, 4)).astype(np.float32)
    if path.suffix == ".npy":
        np.save(path, x)
    else:
        np.savez(path, x=x, y=Runner(float_model()).answers(as_samples(x)).argmax(axis=1))
