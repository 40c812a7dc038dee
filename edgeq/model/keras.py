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


def load(path: Path) -> Any:
    """The model, by Keras 3; an `.h5` of Keras 2 that it refuses is read by tf_keras where there is one. `ConvertError`
    says what stands in the way."""
    import keras

    if _is_hdf5(path):
        return _load_hdf5(path)
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        raise _unreadable(path, error) from error


def _load_hdf5(path: Path) -> Any:
    """By its content, not its name: Keras 2 also wrote HDF5 into files named `.keras`."""
    import keras

    _check_whole(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.h5"
        shutil.copyfile(path, copy)
        _strip_groups(copy)
        try:
            return keras.models.load_model(copy, compile=False)
        except Exception as error:
            return _load_keras2(path, copy, error)


def _load_keras2(path: Path, copy: Path, first: Exception) -> Any:
    # tf_keras runs the code that a Lambda layer carries, without asking; Keras 3 has just refused to.
    if "lambda" in str(first).lower() or importlib.util.find_spec("tf_keras") is None:
        raise _unreadable(path, first) from first
    import tf_keras

    try:
        return tf_keras.models.load_model(copy, compile=False)
    except Exception as error:
        raise _unreadable(path, error) from error


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def _check_whole(path: Path) -> None:
    """`ConvertError` where an HDF5 file holds no model, but weights only or something else."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if "model_config" in file.attrs:
                return
            keras_made = {"layer_names", "keras_version", "backend"} & set(file.attrs) or {"layers", "vars"} & set(file)
    except OSError as error:
        raise ConvertError(
            f"The file '{path.name}' is damaged: {str(error).splitlines()[0]}", "Save the model again."
        ) from error
    what = "holds weights only, and not the layers that they belong to" if keras_made else "holds no Keras model"
    raise ConvertError(
        f"The file '{path.name}' {what}.",
        "Save the whole model: model.save('model.keras'), not model.save_weights(...).",
    )


def _strip_groups(path: Path) -> None:
    """Drop the key `groups`, which Keras 2 wrote and Keras 3 refuses, from depthwise layers."""
    import h5py

    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        if _strip(config):
            file.attrs["model_config"] = json.dumps(config)


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
