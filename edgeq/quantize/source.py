"""Any model that edgeq takes as a `.tflite` of floats. Runs in workers alone, where TensorFlow may be loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeq.model import front_end


def float_source(path: Path, kind: str, progress: Callable[[str], None]) -> bytes:
    """The bytes; `kind` as `edgeq.model.front_end` says it."""
    if kind == front_end.TFLITE:
        return path.read_bytes()
    progress("loading TensorFlow")
    from edgeq.model.tf import float_tflite, tensorflow

    tensorflow()
    progress("loading the model")
    if kind == front_end.SAVED_MODEL:
        from edgeq.model.saved_model import read_saved_model

        frozen = read_saved_model(path)
    else:
        from edgeq.model.keras import read_keras

        frozen = read_keras(path)
    progress("converting to float .tflite")
    return float_tflite(frozen)
