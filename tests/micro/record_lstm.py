"""Makes `tests/cases/models/lstm_int8.tflite`, two LSTM layers of tf_keras: `python record_lstm.py FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

SHAPE = (1, 4, 10)


def samples() -> Iterator[list[np.ndarray]]:  # type: ignore[type-arg]
    """What calibrates it."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        yield [rng.normal(0, 1, SHAPE).astype(np.float32)]


def main(path: Path) -> None:
    """Convert a network that was not trained."""
    tf_keras.utils.set_random_seed(3)
    layers = tf_keras.layers
    hidden = [layers.LSTM(12, return_sequences=True), layers.LSTM(8), layers.Dense(5, activation="softmax")]
    model = tf_keras.Sequential([tf_keras.Input(batch_shape=SHAPE), *hidden])
    call = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec(SHAPE, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.representative_dataset = samples
    path.write_bytes(converter.convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
