"""A model as `check` looks at it: as it was given, or converted for a look, without anything being built."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from edgeq.errors import ConvertError, UsageError
from edgeq.fit import MIXED, MODE
from edgeq.micro.compile import Compiled, compile_model
from edgeq.model.front_end import TFLITE, front_end
from edgeq.model.info import ModelInfo
from edgeq.model.tflite import read_model
from edgeq.preprocess import Preprocess
from edgeq.quantize.convert import convert, given_mode
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import Samples

TRIAL_SAMPLES = 2


@dataclass(frozen=True)
class Candidate:
    """`model` are the bytes of a `.tflite` in `mode`. Where `trial` is true its ranges were calibrated on noise: what
    it takes is right, what it computes is not. `preprocess` is what comes before it on the device."""

    model: bytes
    mode: str
    trial: bool
    preprocess: Preprocess | None = None

    @cached_property
    def info(self) -> ModelInfo:
        """What the file says."""
        return read_model(self.model)

    @cached_property
    def planned(self) -> Compiled | ConvertError:
        """The plan for the runtime of microcontrollers, or why there is none."""
        try:
            return compile_model(self.model)
        except ConvertError as error:
            return error

    @cached_property
    def preprocessed(self) -> Compiled | ConvertError:
        """The same with the front end that a microcontroller needs before it."""
        try:
            return (
                self.planned if isinstance(self.planned, ConvertError) else self.planned.preprocessed(self.preprocess)
            )
        except ConvertError as error:
            return error


def candidate(
    model: Path,
    mode: str = "",
    progress: Callable[[str], None] = lambda _: None,
    preprocess: Preprocess | None = None,
) -> Candidate:
    """Read a model; a float one is converted to `mode` for a look, by default to full int8.

    Errors as those of `convert`; `UsageError` too for a quantized one whose mode is another.
    """
    return replace(_read(model, mode, progress), preprocess=preprocess)


def _read(model: Path, mode: str, progress: Callable[[str], None]) -> Candidate:
    given = given_mode(model)
    kind = front_end(model)
    if given:
        own = given[1].mode if given[1] else MIXED
        if mode not in ("", own):
            raise UsageError(
                f"'{model.name}' is quantized already, as {own}; {mode} was asked for.",
                f"Check the float model, or leave --mode {mode} out.",
            )
        return Candidate(given[0], own, trial=False)
    wanted = Recipe(mode or MODE)
    if not wanted.needs_samples:
        return Candidate(convert(model, None, recipe=wanted, progress=progress).model, wanted.mode, trial=False)
    source = model
    with tempfile.TemporaryDirectory(prefix="edgeq-check-") as folder:
        if kind != TFLITE:
            source = Path(folder) / "float.tflite"
            source.write_bytes(convert(model, None, recipe=Recipe("float32"), progress=progress).model)
        progress("planning the int8 model with ranges from noise")
        noise = _noise(read_model(source.read_bytes()))
        return Candidate(convert(source, noise, recipe=wanted, progress=progress).model, wanted.mode, trial=True)


def _noise(info: ModelInfo) -> Samples:
    """A few samples of the model's shapes: indexes are 0, real numbers between 0 and 1."""
    draw = np.random.default_rng(0)

    def read(_index: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
        return [
            draw.random(tensor.shape[1:], np.float32)
            if tensor.dtype == "float32"
            else np.zeros(tensor.shape[1:], tensor.dtype)
            for tensor in info.inputs
        ]

    return Samples((), TRIAL_SAMPLES, read)
