"""Keras models that tfmot wrapped for quantization-aware training; the one module that imports it, in the worker alone.

Importing it turns the whole process to Keras 2 (tf_keras).
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

from edgeq.errors import ConvertError, UsageError

_MARK = b"QuantizeWrapper"


def is_wrapped(path: Path) -> bool:
    """Whether a Keras file holds layers that tfmot wrapped."""
    if not path.is_file():
        return False
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist() and _MARK in archive.read("config.json")
    return _MARK in path.read_bytes()


def load_wrapped(path: Path) -> Any:
    """The model, as tf_keras has it. `UsageError` without tfmot, `ConvertError` for what it cannot read."""
    from edgeq.model.tf import tensorflow

    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TensorFlow looks at it when it is loaded
    tensorflow()
    try:
        from tensorflow_model_optimization.python.core.keras.compat import keras
        from tensorflow_model_optimization.quantization.keras import quantize_scope
    except ImportError as error:
        raise UsageError(
            f"'{path.name}' was trained with tensorflow-model-optimization, which is not installed.",
            "pip install 'edgeq[finetune]'; or give a SavedModel of it: its ranges go along.",
        ) from error
    try:
        with quantize_scope():
            return keras.models.load_model(path, compile=False)
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ConvertError(
            f"tensorflow-model-optimization cannot read '{path.name}': {reason}",
            "Save it as .h5 or as a SavedModel where it was trained: its ranges go along.",
        ) from error
