"""Any model that edgeq takes as a `.tflite` of floats. Runs in workers alone, where TensorFlow may be loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeq.model import front_end
from edgeq.model.norms import Norm, first_norm


@dataclass(frozen=True)
class FloatSource:
    """The bytes of the float `.tflite`, and of a Keras model what its first batch norm says of the training data."""

    model: bytes
    norm: Norm | None = None


def float_source(path: Path, kind: str, progress: Callable[[str], None]) -> FloatSource:
    """`kind` as `edgeq.model.front_end` says it."""
    if kind == front_end.TFLITE:
        return FloatSource(path.read_bytes())
    progress("loading TensorFlow")
    from edgeq.model.tf import float_tflite, tensorflow

    tensorflow()
    progress("loading the model")
    norm = None
    if kind == front_end.SAVED_MODEL:
        from edgeq.model.saved_model import read_saved_model

        frozen = read_saved_model(path)
    else:
        from edgeq.model.keras import freeze_model, load

        loaded = load(path)
        frozen, norm = freeze_model(loaded), first_norm(loaded)
    progress("converting to float .tflite")
    return FloatSource(float_tflite(frozen), norm)
