"""Any model as a `.tflite` of floats, with the marks of quantization-aware training where it has some."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeq.finetune.tfmot import is_wrapped, load_wrapped
from edgeq.model import front_end
from edgeq.quantize import source


def float_source(path: Path, kind: str, progress: Callable[[str], None]) -> bytes:
    """The bytes; `kind` as `edgeq.model.front_end` says it."""
    if kind in (front_end.TFLITE, front_end.SAVED_MODEL) or not is_wrapped(path):
        return source.float_source(path, kind, progress).model
    progress("loading TensorFlow")
    loaded = load_wrapped(path)  # before anything else has chosen a Keras
    from edgeq.model.keras import freeze_model
    from edgeq.model.tf import float_tflite

    progress("converting to float .tflite")
    return float_tflite(freeze_model(loaded))
