"""Small real models for the tests, made once a run: Keras writes them in a process of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from once import once

from edgeq.quantize.convert import Converted, convert

_SCRIPT = """
import keras
from keras import layers as L
keras.utils.set_random_seed(7)

def save(name, outputs, *inputs):
    model = keras.Model(list(inputs) if len(inputs) > 1 else inputs[0], outputs)
    model.save(name + ".keras")
    return model

x = keras.Input((8, 8, 1), name="image")
y = L.Conv2D(4, 3, activation="relu")(x)
y = L.DepthwiseConv2D(3, padding="same")(y)
y = L.BatchNormalization()(y)
y = L.GlobalAveragePooling2D()(L.ReLU()(y))
tiny = save("tiny", L.Dense(3, activation="softmax", name="class")(y), x)
tiny.save("tiny.h5")
tiny.export("tiny_saved", verbose=False)

a, b = keras.Input((4,), name="first"), keras.Input((3,), name="second")
two = save("two", L.Dense(2, name="last")(L.Concatenate()([b, a])), a, b)

x = keras.Input((8,))
save("sine", L.Dense(3)(keras.ops.sin(L.Dense(4)(x))), x)
save("erf", L.Dense(3)(keras.ops.erf(L.Dense(4)(x))), x)
x = keras.Input((5, 8))
save("lstm", L.Dense(3)(L.LSTM(4)(x)), x)
x = keras.Input((None, 8))
save("open", L.GlobalAveragePooling1D()(L.Conv1D(3, 3)(x)), x)
"""


@functools.cache
def models() -> Path:
    """A folder with the models of the script above, `<name>.keras`, and `tiny.h5` and `tiny_saved/`."""
    return once("tiny-models", _write)


def _write(folder: Path) -> None:
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT]
    done = subprocess.run(command, cwd=folder, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def samples(count: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Samples for `tiny`: (n, 8, 8, 1), seeded."""
    return np.random.default_rng(3).normal(size=(count, 8, 8, 1)).astype(np.float32)


@functools.cache
def converted() -> Converted:
    """`tiny.keras` as float and int8 `.tflite`."""
    folder = once("tiny-converted", _convert)
    return Converted((folder / "float.tflite").read_bytes(), (folder / "int8.tflite").read_bytes())


def _convert(folder: Path) -> None:
    found = convert(models() / "tiny.keras", samples())
    (folder / "float.tflite").write_bytes(found.float_model)
    (folder / "int8.tflite").write_bytes(found.model)


@functools.cache
def data_file() -> Path:
    """`samples()` with labels 0..2, as `.npz`."""
    return once("tiny-data", _save) / "data.npz"


def _save(folder: Path) -> None:
    np.savez(folder / "data.npz", x=samples(), y=np.arange(40) % 3)
