"""Trains the example model: `python -m edgeq.init.worker FOLDER FD`, started by `edgeq.init`.

FOLDER holds `training.npz`; the result is `digits.keras`. One line per stage goes to the pipe FD.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

EPOCHS = 24


def main(folder: Path, status: int) -> int:
    """Train and save; whatever fails is in the log that the caller keeps."""
    os.write(status, b"loading TensorFlow\n")
    from edgeq.model.tf import tensorflow

    keras: Any = tensorflow().keras
    keras.utils.set_random_seed(1)
    with np.load(folder / "training.npz") as data:
        x, y = data["x"], data["y"]
    model = _model(keras)
    os.write(status, f"training a depthwise CNN on {len(x)} images of digits, {EPOCHS} epochs\n".encode())
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0)
    os.write(status, f"trained: {100 * history.history['accuracy'][-1]:.1f} % on its training data\n".encode())
    model.save(folder / "digits.keras")
    return 0


def _model(keras: Any) -> Any:
    """Depthwise-separable, about 3,000 weights; takes pixels 0..16 as they are."""
    layers = keras.layers
    net = [keras.Input((8, 8, 1)), layers.Rescaling(1 / 16)]
    net += [
        layers.Conv2D(16, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
    ]
    for filters, stride in ((32, 2), (48, 1)):
        net += [layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)]
        net += [layers.BatchNormalization(momentum=0.9), layers.ReLU()]
        net += [layers.Conv2D(filters, 1, use_bias=False), layers.BatchNormalization(momentum=0.9), layers.ReLU()]
    net += [layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")]
    return keras.Sequential(net)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
