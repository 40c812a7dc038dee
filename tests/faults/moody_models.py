"""How tests/cases/models/{moody,nan}.tflite were made: `python tests/faults/moody_models.py`, with TensorFlow.

Both take what the tiny model takes, (1, 8, 8, 1) int8. The first element of the input is the mood: moody.tflite ends
its process by SIGFPE at 100 (x86 divides the least integer by -1), never ends at 101, asks for 4 EiB at 102; its answer
is 4, 4, 4 otherwise. nan.tflite answers 1, 1 and the mood in float32, the second a NaN at 103.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

CRASHES, HANGS, EATS, NAN = 100, 101, 102, 103
MODELS = Path(__file__).resolve().parents[1] / "cases" / "models"


def main() -> None:
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    import tensorflow as tf

    def mood(image: Any) -> Any:
        return tf.cast(tf.reshape(image, [-1])[0], tf.int32)

    def moody(image: Any) -> Any:
        now = mood(image)
        is_crash = tf.equal(now, CRASHES)
        quotient = tf.math.floormod(tf.where(is_crash, -(1 << 31), 7), tf.where(is_crash, -1, 1))
        goes_on = lambda i: tf.logical_or(i < 3, tf.equal(now, HANGS))  # noqa: E731
        turns = tf.while_loop(goes_on, lambda i: (i + 1,), (tf.constant(0),))[0]
        side = tf.where(tf.equal(now, EATS), 1 << 30, 1)
        one = tf.cast(tf.fill(tf.stack([side, side]), 1.0)[0, 0], tf.int32)
        answer = quotient + turns + one
        return tf.cast(tf.reshape(tf.stack([answer] * 3), [1, 3]), tf.int8)

    def nan(image: Any) -> Any:
        now = tf.cast(mood(image), tf.float32)
        zero_over_zero = tf.where(tf.equal(now, float(NAN)), 0.0, 1.0)
        return tf.reshape(tf.stack([now * 0 + 1.0, zero_over_zero / zero_over_zero, now]), [1, 3])

    signature = [tf.TensorSpec((1, 8, 8, 1), tf.int8, name="image")]
    for function in (moody, nan):
        concrete = tf.function(lambda image, f=function: {"class": f(image)}, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete.get_concrete_function()])
        (MODELS / f"{function.__name__}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
