"""The variants that only store weights smaller, against what TensorFlow's own converter makes of the same model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from zoo import images, zoo

from edgeq.evaluate.predict import Variant, predict
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.quantize.convert import Variants
from edgeq.quantize.recipe import Recipe

_SCRIPT = """
import sys, keras, tensorflow as tf
x = keras.Input(batch_shape=(1, 8, 8, 2))
model = keras.Model(x, keras.models.load_model(sys.argv[1])(x))
for name, types in (("dynamic", []), ("float16", [tf.float16])):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = types
    open(name + ".tflite", "wb").write(converter.convert())
"""


def test_outputs_are_those_of_tensorflows_own_variants(variants: Variants, tmp_path: Path) -> None:
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT, str(zoo() / "wide.keras")]
    done = subprocess.run(command, cwd=tmp_path, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for name, recipe in (("dynamic", Recipe("dynamic_wi8_afp32")), ("float16", Recipe("float16"))):
        official, ours = (tmp_path / f"{name}.tflite").read_bytes(), variants.models[recipe]
        assert read_model(official).op_counts() == read_model(ours).op_counts()
        assert read_model(official).weights_bytes == read_model(ours).weights_bytes
        outputs = [predict(Variant(data, describe(read_model(data))), images(50)) for data in (official, ours)]
        assert np.array_equal(*outputs), name
