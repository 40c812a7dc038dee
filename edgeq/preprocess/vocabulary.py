"""The closed vocabulary: every step, what it takes and gives, and every parameter with its type, range and default.

`docs/preprocess.md` defines what each step computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUTS = ("audio", "image", "features")
RATE_HZ = (1_000, 768_000)
STEPS_MOST = 64

# What flows between steps; an input starts as the stage of its own name.
AUDIO, IMAGE, FEATURES = INPUTS
FRAMES, WINDOWED, SPECTRUM, MEL, LOG_MEL = "frames", "windowed frames", "spectrum", "mel bands", "log mel bands"
STAGES = (AUDIO, FRAMES, WINDOWED, SPECTRUM, MEL, LOG_MEL, FEATURES, IMAGE)


@dataclass(frozen=True)
class Parameter:
    """One parameter. kind: integer, number, numbers (one, or a list along the last axis), choice or truth.

    `default` None: it must be given, unless `follows` names another choice and the default for each of its values."""

    kind: str
    default: Any = None
    low: float = -1e30
    high: float = 1e30
    choices: tuple[str, ...] = ()
    follows: tuple[str, Mapping[str, str]] | None = None

    def expected(self) -> str:
        """What a value must be, for people."""
        if self.kind == "choice":
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        if self.kind == "truth":
            return "true or false"
        noun = {"integer": "an integer", "number": "a number", "numbers": "a number, or a list of numbers"}[self.kind]
        if self.high < 1e30:
            return f"{noun} from {self.low:g} to {self.high:g}"
        return f"{noun} of {self.low:g} or more" if self.low > -1e30 else noun


@dataclass(frozen=True)
class Kind:
    """One kind of step: which stage it turns into which, and its parameters.

    `whole`: it needs the whole clip, so that no stream can hold it."""

    turns: Mapping[str, str]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    whole: bool = False


def _integer(low: int, high: int, default: int | None = None) -> Parameter:
    return Parameter("integer", default, low, high)


def _number(default: float | None = None, low: float = -1e30, high: float = 1e30) -> Parameter:
    return Parameter("number", default, low, high)


def _choice(*choices: str, default: str | None = None) -> Parameter:
    return Parameter("choice", default, choices=choices)


def _truth(default: bool) -> Parameter:
    return Parameter("truth", default)


_SAME = {stage: stage for stage in STAGES}
_MICRO = {
    "window_ms": _integer(1, 250, 30),
    "step_ms": _integer(1, 250, 10),
    "channels": _integer(1, 128, 40),
    "low_hz": _number(125.0, 0, 384_000),
    "high_hz": _number(7500.0, 1, 384_000),
    "smoothing_bits": _integer(0, 16, 10),
    "even_smoothing": _number(0.025, 0, 1),
    "odd_smoothing": _number(0.06, 0, 1),
    "min_signal_remaining": _number(0.05, 0, 1),
    "pcan": _truth(True),
    "pcan_strength": _number(0.95, 0, 10),
    "pcan_offset": _number(80.0, 1e-6, 1e9),
    "pcan_gain_bits": _integer(0, 31, 21),
    "log": _truth(True),
    "log_shift": _integer(0, 16, 6),
}

VOCABULARY: Mapping[str, Kind] = {
    "resample": Kind({AUDIO: AUDIO}, {"rate_hz": _integer(*RATE_HZ)}),
    "pad": Kind(
        {AUDIO: AUDIO}, {"samples": _integer(1, 1 << 26), "at": _choice("end", "start", default="end")}, whole=True
    ),
    "peak": Kind({AUDIO: AUDIO}, {"of": _choice("max", "max_abs", default="max_abs")}, whole=True),
    "preemphasis": Kind({AUDIO: AUDIO}, {"coefficient": _number(0.97, -1, 1)}),
    "frame": Kind({AUDIO: FRAMES}, {"length": _integer(2, 65_536), "step": _integer(1, 65_536)}),
    "window": Kind(
        {FRAMES: WINDOWED},
        {
            "shape": _choice("hann", "hamming", "povey", "rectangular", default="hann"),
            "periodic": _truth(True),
        },
    ),
    "spectrum": Kind(
        dict.fromkeys((FRAMES, WINDOWED), SPECTRUM),
        {"fft": _integer(4, 65_536), "of": _choice("magnitude", "power", default="magnitude")},
    ),
    "mel": Kind(
        {SPECTRUM: MEL},
        {
            "bins": _integer(1, 1024),
            "low_hz": _number(low=0, high=384_000),
            "high_hz": _number(low=1, high=384_000),
            "scale": _choice("htk", "slaney", default="htk"),
            "norm": _choice("none", "slaney", default="none"),
            "slopes": Parameter("choice", choices=("mel", "hz"), follows=("scale", {"htk": "mel", "slaney": "hz"})),
        },
    ),
    "log": Kind(
        {SPECTRUM: FEATURES, MEL: LOG_MEL},
        {
            "base": _choice("e", "10", "2", default="e"),
            "offset": _number(1e-6, 0),
            "floor": _number(0.0, 0),
            "multiply": _number(1.0),
        },
    ),
    "pcen": Kind(
        dict.fromkeys((SPECTRUM, MEL), FEATURES),
        {
            "smoothing": _number(0.025, 1e-9, 1),
            "gain": _number(0.98, 0, 10),
            "bias": _number(2.0, 0),
            "power": _number(0.5, 1e-9, 10),
            "eps": _number(1e-6, 1e-30),
            "start": _choice("first", "one", default="first"),
        },
    ),
    "mfcc": Kind({LOG_MEL: FEATURES}, {"count": _integer(1, 1024), "norm": _choice("tf", "ortho", default="tf")}),
    "micro": Kind({AUDIO: FEATURES}, _MICRO),
    "stack": Kind(
        dict.fromkeys((SPECTRUM, MEL, LOG_MEL, FEATURES), FEATURES),
        {"frames": _integer(1, 4096), "step": _integer(1, 4096, 1)},
    ),
    "resize": Kind(
        {IMAGE: IMAGE},
        {
            "height": _integer(1, 8192),
            "width": _integer(1, 8192),
            "filter": _choice("nearest", "bilinear", "bicubic", "area", default="bilinear"),
            "antialias": _truth(False),
            "fit": _choice("stretch", "cover", "contain", default="stretch"),
        },
    ),
    "crop": Kind(
        {IMAGE: IMAGE},
        {"height": _integer(1, 8192), "width": _integer(1, 8192), "at": _choice("center", default="center")},
    ),
    "colour": Kind({IMAGE: IMAGE}, {"order": _choice("rgb", "bgr", "gray")}),
    "scale": Kind(_SAME, {"multiply": Parameter("numbers", 1.0), "add": Parameter("numbers", 0.0)}),
    "clip": Kind(_SAME, {"low": _number(), "high": _number()}),
}
