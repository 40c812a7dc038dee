"""What the batch norm behind a Keras model's first layer says of the data that the model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_SUMS = ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")


@dataclass(frozen=True)
class Norm:
    """Training left each channel of the first layer, behind the batch norm and before an activation, with about the
    mean `means` and the standard deviation `deviations`."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Norm:
        """The reverse."""
        return Norm(tuple(told["means"]), tuple(told["deviations"]))


def first_norm(model: Any) -> Norm | None:
    """Of a loaded model (Keras 3 or tf_keras); None where its first layer with weights has no batch norm right behind
    it, or one that was never trained. A batch norm makes mean 0 and deviation 1 of its channels, then adds beta and
    multiplies by gamma."""
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
