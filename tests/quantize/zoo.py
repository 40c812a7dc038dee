"""One small model of every kind that people bring, made once a run in a process of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from once import once

from edgeq.quantize.recipe import MODES, Recipe

RECIPES = (
    *(Recipe(mode) for mode in MODES),
    Recipe(granularity="tensor"),
    Recipe(io="float32"),
    Recipe("static_wi8_ai16", io="float32"),
    Recipe("static_wi8_ai16", "tensor"),
    Recipe("dynamic_wi8_afp32", "tensor"),
)

_SCRIPT = """
import os, shutil
import keras, numpy as np, tensorflow as tf
from keras import layers as L
keras.utils.set_random_seed(7)

x = keras.Input((8, 8, 2), name="image")
y = L.Conv2D(32, 3, activation="relu")(x)
y = L.Conv2D(16, 3, activation="relu")(L.DepthwiseConv2D(3, padding="same")(y))
y = L.Dense(3, activation="softmax", name="class")(L.Flatten()(y))
wide = keras.Model(x, y)
wide.save("wide.keras")
wide.save("wide.h5")
wide.save_weights("only.weights.h5")
wide.export("keras3", verbose=False)
shutil.copy("wide.h5", "hdf5.keras")
open("cut.h5", "wb").write(open("wide.h5", "rb").read()[:3000])

kernel = wide.layers[1].kernel
healthy = np.array(kernel)
poisoned = healthy.copy()
poisoned[0, 0, 0, 3] = np.nan
kernel.assign(poisoned)
wide.save("sick.keras")
kernel.assign(healthy)

signature = [tf.TensorSpec([None, 8, 8, 2], tf.float32, name="image")]
class Module(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(healthy)

    @tf.function(input_signature=signature)
    def serve(self, image):
        y = tf.nn.relu(tf.nn.conv2d(image, self.kernel, 1, "VALID"))
        return {"mean": tf.reduce_mean(y, [1, 2])}

module = Module()
tf.saved_model.save(module, "module", signatures={"serving_default": module.serve})
tf.saved_model.save(module, "other", signatures={"predict": module.serve})
tf.saved_model.save(module, "unsigned")

with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    image = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 2], "image")
    kernel = tf.compat.v1.get_variable("kernel", initializer=healthy, use_resource=False)
    mean = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "VALID")), [1, 2])
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.saved_model.simple_save(session, "tf1", {"image": image}, {"mean": mean})

a, b = keras.Input((4,), name="first"), keras.Input((3, 2), name="second")
keras.Model([a, b], L.Add(name="last")([L.Dense(2)(L.Flatten()(b)), L.Dense(2)(a)])).save("two.keras")

x = keras.Input((6,), dtype="int32", name="words")
y = L.Dense(3)(L.GlobalAveragePooling1D()(L.Embedding(200, 16)(x)))
keras.Model(x, y).save("words.keras")

x = keras.Input((8,))
erf = keras.Model(x, L.Dense(3)(keras.ops.erf(L.Dense(4)(x))))
for name, flex in (("flex", True), ("custom", False)):
    converter = tf.lite.TFLiteConverter.from_keras_model(erf)
    converter.allow_custom_ops = not flex
    if flex:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    open(name + ".tflite", "wb").write(converter.convert())

x = keras.Input((None, 4), name="open")
converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(x, L.Dense(3)(x)))
open("open.tflite", "wb").write(converter.convert())
"""


@functools.cache
def zoo() -> Path:
    """A folder with the models of the script above."""
    return once("zoo", _write)


def _write(folder: Path) -> None:
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT]
    done = subprocess.run(command, cwd=folder, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def images(count: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Samples for `wide` and its kin: (n, 8, 8, 2), seeded."""
    return np.random.default_rng(3).normal(size=(count, 8, 8, 2)).astype(np.float32)
