"""What the first layers of a Keras model say of the data that the model was trained on: a scaling, and a batch norm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

_SUMS = ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")


@dataclass(frozen=True)
class Norm:
    """Training left each channel of the first layer, behind the batch norm and before an activation, with about the
    mean `means` and the standard deviation `deviations`; empty where there is no batch norm. Before that, the layer
    `scaling` multiplies the input by `multiply` and adds `add`, one number or one for each channel; "" for none."""

    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    scaling: str = ""
    multiply: tuple[float, ...] = ()
    add: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Norm:
        """The reverse."""
        numbers: dict[str, Any] = {key: tuple(told[key]) for key in ("means", "deviations", "multiply", "add")}
        return Norm(**numbers, scaling=told["scaling"])


def first_norm(model: Any) -> Norm | None:
    """Of a loaded model (Keras 3 or tf_keras); None where there is neither a scaling nor a batch norm."""
    norm, scaling = _batch_norm(model), _scaling(model)
    return replace(norm or Norm(), **scaling) if norm or scaling else None


def _scaling(model: Any) -> dict[str, Any]:
    """What a `Rescaling` to smaller values or a `Normalization` at the model's only input does."""
    layers = [each for each in getattr(model, "layers", ()) if type(each).__name__ != "InputLayer"]
    if not layers or len(getattr(model, "inputs", None) or ()) != 1:
        return {}
    first, kind = layers[0], type(layers[0]).__name__
    if kind == "Rescaling":
        multiply, add = _numbers(first.scale), _numbers(first.offset)
        if max(map(abs, multiply)) >= 1:  # it may well make 0..255 of 0..1
            return {}
    elif kind == "Normalization" and not getattr(first, "invert", False):
        deviations = [max(each, 1e-14) ** 0.5 for each in _numbers(first.variance)]
        multiply = [1 / each for each in deviations]
        add = [-mean / each for mean, each in zip(_numbers(first.mean), deviations, strict=True)]
    else:
        return {}
    return {"scaling": str(first.name), "multiply": tuple(multiply), "add": tuple(add)}


def _numbers(values: Any) -> list[float]:
    found = np.ravel(values.numpy() if hasattr(values, "numpy") else values)
    return [float(each) for each in found]


def _batch_norm(model: Any) -> Norm | None:
    """None where the first layer with weights has no batch norm right behind it, or one that was never trained. A batch
    norm makes mean 0 and deviation 1 of its channels, then adds beta and multiplies by gamma."""
    layers = list(getattr(model, "layers", ()))
    first = next((each for each in layers if type(each).__name__ in _SUMS), None)
    if first is None or getattr(first.activation, "__name__", "") != "linear":
        return None
    norm = next((each for each in _behind(model, layers, first) if type(each).__name__ == "BatchNormalization"), None)
    if norm is None or _untouched(norm):
        return None
    channels = int(first.output.shape[-1])
    gamma = [1.0] * channels if norm.gamma is None else [abs(float(each)) for each in norm.gamma.numpy()]
    beta = [0.0] * channels if norm.beta is None else [float(each) for each in norm.beta.numpy()]
    return Norm(tuple(beta), tuple(gamma))


def _untouched(norm: Any) -> bool:
    return bool((norm.moving_mean.numpy() == 0).all() and (norm.moving_variance.numpy() == 1).all())


def _behind(model: Any, layers: list[Any], first: Any) -> list[Any]:
    """The layers that take what `first` gives."""
    if type(model).__name__ == "Sequential":  # built twice when it is loaded, so that tensors do not say what follows
        place = layers.index(first) + 1
        return layers[place : place + 1]
    return [each for each in layers if _takes(each, first)]


def _takes(layer: Any, first: Any) -> bool:
    try:
        return layer.input is first.output
    except (AttributeError, ValueError):  # a layer that is used several times has no one input
        return False
