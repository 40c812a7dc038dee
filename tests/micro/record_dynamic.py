"""Makes `tests/cases/models/batch_any_int8.tflite` and `batch_1_int8.tflite`: `python record_dynamic.py FOLDER`.

One network of Keras, converted without and with a batch size: a dilated layer cuts its input into a batch, a dense one
on several rows computes shapes, and a recurrent one begins with zeros.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

SHAPE = (12, 4)


def samples() -> Iterator[list[np.ndarray]]:  # type: ignore[type-arg]
    """What calibrates it."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        yield [rng.normal(0, 1, (1, *SHAPE)).astype(np.float32)]


def converted(model: keras.Model, batch: int | None) -> bytes:
    """The file for a batch, or for any."""
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False, input_signature=[tf.TensorSpec((batch, *SHAPE), tf.float32)])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter.representative_dataset = samples
        model_bytes: bytes = converter.convert()
    return model_bytes


def main(folder: Path) -> None:
    """Convert a network that was not trained."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    given = keras.Input(SHAPE)
    x = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="tanh")(given)
    x = layers.Dense(5, activation="relu")(x)
    x = layers.SimpleRNN(4, unroll=True)(layers.Conv1D(3, 3, 3)(x))
    model = keras.Model(given, layers.Dense(3)(x))
    for name, batch in (("batch_any", None), ("batch_1", 1)):
        (folder / f"{name}_int8.tflite").write_bytes(converted(model, batch))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
