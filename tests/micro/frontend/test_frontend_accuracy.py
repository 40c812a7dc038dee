"""Integers against the float steps: 99 in 100 values of an int8 input are the same, none is more than 1 away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fronts import audio, front, noise, tensor
from numpy.typing import NDArray

from edgeq.micro.compile import compile_model
from edgeq.micro.frontend.reference import quantized
from edgeq.preprocess import Preprocess, Raw
from edgeq.runtime import quantize

CLIP = 8000
FRAME: Mapping[str, Any] = {"do": "frame", "length": 400, "step": 160}
MEL: Mapping[str, Any] = {"do": "mel", "bins": 32, "low_hz": 60, "high_hz": 7600}
CHAINS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "decibels": (
        {"do": "scale", "multiply": 1 / 32768}, FRAME, {"do": "window"}, {"do": "spectrum", "fft": 512, "of": "power"},
        {**MEL, "scale": "slaney", "norm": "slaney"},
        {"do": "log", "base": "10", "multiply": 10, "floor": 1e-10, "offset": 0},
    ),
    "kaldi": (
        {"do": "preemphasis"}, FRAME, {"do": "window", "shape": "povey", "periodic": False},
        {"do": "spectrum", "fft": 512, "of": "power"}, MEL, {"do": "log", "floor": 1.0}, {"do": "mfcc", "count": 13},
        {"do": "scale", "multiply": 0.1},
    ),
    "energies": (
        {"do": "scale", "multiply": 1 / 32768}, FRAME, {"do": "window"}, {"do": "spectrum", "fft": 512, "of": "power"},
        MEL, {"do": "pcen"},
    ),
    "energies from one": (
        FRAME, {"do": "window"}, {"do": "spectrum", "fft": 512}, {**MEL, "scale": "slaney", "norm": "slaney"},
        {"do": "pcen", "start": "one", "smoothing": 0.1, "gain": 0.8, "bias": 10, "power": 0.25},
        {"do": "scale", "multiply": 2.0, "add": -1.0},
    ),
    "magnitudes": ({"do": "peak"}, FRAME, {"do": "window", "shape": "hamming"}, {"do": "spectrum", "fft": 512}),
    "normalized": (
        {"do": "peak", "of": "max"}, {"do": "clip", "low": -1.0, "high": 1.0},
        {"do": "preemphasis", "coefficient": 0.9}, FRAME, {"do": "spectrum", "fft": 1024}, MEL,
        {"do": "log", "base": "2"},
        {"do": "scale", "multiply": [0.1 + 0.01 * band for band in range(32)], "add": 0.5},
        {"do": "clip", "low": -1, "high": 1}, {"do": "stack", "frames": 3, "step": 2},
    ),
}  # fmt: skip


def apart(
    preprocess: Preprocess, raws: list[Raw], scale: float, zero_point: int, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Differences of all values."""
    program = front(preprocess, tensor(shape, "int8", scale, zero_point)).program
    found = []
    for raw in raws:
        floats = quantize(preprocess.apply(raw), "int8", scale, zero_point).astype(int).ravel()
        found.append(np.frombuffer(quantized(program, raw), np.int8).astype(int) - floats)
    return np.concatenate(found)


@pytest.mark.parametrize("name", CHAINS)
def test_integers_are_the_floats(name: str) -> None:
    preprocess, raws = audio(*CHAINS[name]), [noise(CLIP, seed, most) for seed, most in enumerate((30, 900, 32767))]
    made = np.concatenate([preprocess.apply(raw).ravel() for raw in raws])
    scale = float(made.max() - made.min()) / 255
    zero_point = round(-128 - float(made.min()) / scale)
    differences = apart(
        preprocess, raws, scale, max(-128, min(127, zero_point)), (1, *preprocess.output_shape((CLIP,)))
    )
    assert np.mean(differences == 0) >= 0.99
    assert np.abs(differences).max() <= 1


def spoken(shared_models: Path) -> list[Raw]:
    """Clips of one second."""
    with np.load(shared_models / "kws01_audio_i16.npz") as data:
        clips = next(data[key] for key in data.files if data[key].ndim == 2)
    return [Raw(clip, 16_000) for clip in clips]


@pytest.mark.slow
def test_energies_of_real_clips(shared_models: Path) -> None:
    """Energy normalization; none of 294 000 values is more than one step away."""
    preprocess = audio(
        {"do": "pad", "samples": 16_000}, {"do": "scale", "multiply": 1 / 32768},
        {"do": "frame", "length": 480, "step": 320}, {"do": "window"}, {"do": "spectrum", "fft": 512, "of": "power"},
        {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000}, {"do": "pcen"},
    )  # fmt: skip
    raws = spoken(shared_models)
    made = np.concatenate([preprocess.apply(raw).ravel() for raw in raws])
    differences = apart(preprocess, raws, float(made.max() - made.min()) / 255, -128, (1, 49, 40))
    assert len(differences) == 294_000
    assert np.mean(differences == 0) >= 0.999
    assert np.abs(differences).max() <= 1


@pytest.mark.slow
def test_keyword_spotting_on_real_clips(shared_models: Path) -> None:
    """The chain behind the MFCCs of MLPerf Tiny, on every clip that there is."""
    preprocess = audio(
        {"do": "pad", "samples": 16_000}, {"do": "peak", "of": "max"}, {"do": "clip", "low": -1.0, "high": 1.0},
        {"do": "frame", "length": 480, "step": 320}, {"do": "window"}, {"do": "spectrum", "fft": 512},
        {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000}, {"do": "log"}, {"do": "mfcc", "count": 10},
    )  # fmt: skip
    compiled = compile_model((shared_models / "kws_mlperf_int8.tflite").read_bytes())
    given = compiled.graph.tensors[compiled.graph.inputs[0]]
    differences = apart(preprocess, spoken(shared_models), given.scale, given.zero_point, given.shape)
    assert len(differences) == 73_500
    assert np.mean(differences == 0) >= 0.999
    assert np.abs(differences).max() <= 1
