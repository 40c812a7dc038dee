"""Any model as a `.tflite` of floats, with the marks of quantization-aware training where it has some."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeq.finetune.tfmot import is_wrapped, load_wrapped
from edgeq.model import front_end


def float_source(path: Path, kind: str, progress: Callable[[str], None]) -> bytes:
    """The bytes; `kind` as `edgeq.model.front_end` says it."""
    if kind == front_end.TFLITE:
        return path.read_bytes()
    progress("loading TensorFlow")
    from edgeq.model.tf import float_tflite, tensorflow

    wrapped = kind != front_end.SAVED_MODEL and is_wrapped(path)
    loaded = load_wrapped(path) if wrapped else None  # before anything else has chosen a Keras
    tensorflow()
    progress("loading the model")
    if kind == front_end.SAVED_MODEL:
        from edgeq.model.saved_model import read_saved_model

        frozen = read_saved_model(path)
    else:
        from edgeq.model.keras import freeze_model, read_keras

        frozen = read_keras(path) if loaded is None else freeze_model(loaded)
    progress("converting to float .tflite")
    return float_tflite(frozen)
