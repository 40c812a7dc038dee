"""A chain that runs: each step as a function of (chunk, last), started for one input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeq.preprocess import audio, features, image
from edgeq.preprocess.error import PreprocessError
from edgeq.preprocess.micro import Micro
from edgeq.preprocess.vocabulary import AUDIO, IMAGE, RATE_HZ
from edgeq.preprocess.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgeq.preprocess.flow import Flow
    from edgeq.preprocess.raw import Raw
    from edgeq.preprocess.step import Step

    Array = NDArray[Any]
    Values = Mapping[str, Any]
    Running = Callable[[Array, bool], Array]


def first(array: Array, stage: str) -> Array:
    """What the first step takes: an image stays uint8, so that a resize need not copy all of it."""
    import numpy as np

    return array if stage == IMAGE else np.asarray(array, np.float64)


def start(steps: Sequence[Step], flows: Sequence[Flow]) -> list[Running]:
    """The steps, ready for their first chunk."""
    return [_STARTS[step.do](step.values, flows[number]) for number, step in enumerate(steps)]


def run(running: Sequence[Running], x: Array, last: bool) -> Array:
    """One chunk through every step."""
    for step in running:
        x = step(x, last)
    return x


def check(kind: str, raw: Raw) -> None:
    """Raises PreprocessError where the raw input is not of the kind that the steps expect."""
    array = raw.array
    if kind == AUDIO:
        if str(array.dtype) != "int16" or array.ndim != 1 or not RATE_HZ[0] <= raw.rate_hz <= RATE_HZ[1]:
            raise _unlike(raw, f"audio: int16 samples [n] at a rate of {RATE_HZ[0]} to {RATE_HZ[1]} Hz")
    elif kind == IMAGE:
        if str(array.dtype) != "uint8" or array.ndim != 3 or array.shape[2] not in (1, 3):
            raise _unlike(raw, "an image: uint8 [height, width, 1 or 3]")
    elif array.dtype.kind not in "buif" or raw.rate_hz:
        raise _unlike(raw, "numbers: features, or what the model sees")
    if not array.size:
        raise PreprocessError("The input is empty.", "Give data of at least one element.")


def _unlike(raw: Raw, wanted: str) -> PreprocessError:
    rate = f" at {raw.rate_hz} Hz" if raw.rate_hz else ""
    return PreprocessError(
        f"The input is {raw.array.dtype} {list(raw.array.shape)}{rate}; [preprocess] expects {wanted}.",
        "Give such data, or change [preprocess].",
    )


def _plain(function: Callable[[Values, Array], Array]) -> Callable[[Values, Flow], Running]:
    """A step that keeps nothing between chunks."""
    return lambda values, _flow: lambda x, _last: function(values, x)


def _mel(values: Values, flow: Flow) -> Running:
    return lambda x, _last: features.mel(values, x, flow.rate_hz, flow.fft)


_STARTS: Mapping[str, Callable[[Values, Flow], Running]] = {
    "resample": lambda values, flow: audio.Resample(flow.rate_hz, values["rate_hz"]),
    "pad": _plain(audio.pad),
    "peak": _plain(audio.peak),
    "preemphasis": lambda values, _flow: audio.Preemphasis(values),
    "frame": lambda values, _flow: Windows(values["length"], values["step"]),
    "window": _plain(audio.window),
    "spectrum": _plain(audio.spectrum),
    "mel": _mel,
    "log": _plain(features.log),
    "pcen": lambda values, _flow: features.Pcen(values),
    "mfcc": _plain(features.mfcc),
    "micro": lambda values, flow: Micro(values, flow.rate_hz),
    "stack": lambda values, _flow: Windows(values["frames"], values["step"]),
    "resize": _plain(image.resize),
    "crop": _plain(image.crop),
    "colour": _plain(image.colour),
    "scale": _plain(features.scale),
    "clip": _plain(features.clip),
}
