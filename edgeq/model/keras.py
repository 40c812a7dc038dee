"""Keras models, `.keras` and `.h5`, as frozen graphs. Runs in the conversion worker alone."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from edgeq.errors import ConvertError
from edgeq.model.tf import FrozenGraph, fixed_shape, freeze_function, tensorflow


def read_keras(path: Path) -> FrozenGraph:
    """Load a Keras model and freeze it for inference with batch 1. `ConvertError` says what stands in the way."""
    return freeze_model(load(path))


def load(path: Path) -> Any:
    """The model, by Keras 3; a Keras-2 `.h5` that it refuses is repaired, else read by tf_keras where there is one."""
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        if path.suffix == ".keras":
            raise _unreadable(path, error) from error
        return _load_keras2(path, error)


def _load_keras2(path: Path, first: Exception) -> Any:
    import keras

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.h5"
        shutil.copyfile(path, copy)
        if _strip_groups(copy):
            try:
                return keras.models.load_model(copy, compile=False)
            except Exception as error:
                first = error
    # tf_keras runs the code that a Lambda layer carries, without asking; Keras 3 has just refused to.
    if "lambda" in str(first).lower() or importlib.util.find_spec("tf_keras") is None:
        raise _unreadable(path, first) from first
    import tf_keras

    try:
        return tf_keras.models.load_model(path, compile=False)
    except Exception as error:
        raise _unreadable(path, error) from error


def _strip_groups(path: Path) -> bool:
    """Drop the key `groups`, which Keras 2 wrote and Keras 3 refuses, from depthwise layers; whether one was there."""
    import h5py

    with h5py.File(path, "r+") as file:
        if "model_config" not in file.attrs:
            return False
        config = json.loads(file.attrs["model_config"])
        found = _strip(config)
        if found:
            file.attrs["model_config"] = json.dumps(config)
        return found


def _strip(config: Any) -> bool:
    found = False
    if isinstance(config, dict):
        inner = config.get("config")
        if config.get("class_name") in ("DepthwiseConv2D", "DepthwiseConv1D") and isinstance(inner, dict):
            found = inner.pop("groups", None) is not None
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            found |= _strip(item)
    return found


def freeze_model(model: Any) -> FrozenGraph:
    """A loaded functional or sequential model (Keras 3 or tf_keras) as a frozen graph, inputs in the model's order."""
    tf = tensorflow()
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise ConvertError(
            f"The model '{model.name}' does not say what its inputs are.",
            "Give it an Input layer, or call it once on data before saving it.",
        )
    specs = [
        tf.TensorSpec(fixed_shape(_name(tensor), tensor.shape), tensor.dtype, name=_name(tensor)) for tensor in inputs
    ]
    structure = getattr(model, "_inputs_struct", None)
    if structure is None:
        structure = list(specs) if len(specs) > 1 else specs[0]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def infer(*tensors: Any) -> Any:
        return tf.nest.flatten(model(tf.nest.pack_sequence_as(structure, tensors), training=False))

    return freeze_function(infer.get_concrete_function(), _output_names(model))


def _output_names(model: Any) -> list[str]:
    names = getattr(model, "output_names", None) or [model.layers[-1].name]
    return [str(name) for name in names]


def _name(tensor: Any) -> str:
    return str(tensor.name).partition(":")[0]


def _unreadable(path: Path, error: Exception) -> ConvertError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ConvertError(
        f"Keras cannot read '{path.name}': {lines[0] if lines else type(error).__name__}",
        "Models with layers of your own cannot be loaded: export them as a SavedModel (model.export(folder)). "
        "For a model of Keras 2, pip install tf_keras.",
    )
