"""C and numpy compute the same bytes: chains of any steps and parameters, clips of any length, pieces of any size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from fronts import RATE_HZ, Drive, audio, front, noise, tensor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.errors import ConvertError
from edgeq.micro.frontend.reference import quantized
from edgeq.micro.native import NativeModel
from edgeq.preprocess import Preprocess, Raw

Step = Mapping[str, Any]
small = st.floats(-4, 4, allow_nan=False, width=32)


def on_samples(draw: st.DrawFn) -> list[Step]:
    """Steps on samples, in any order, each at most once but for scale and clip."""
    low = draw(st.floats(-40000, 0))
    choices: list[Step] = [
        {"do": "preemphasis", "coefficient": draw(st.floats(-1, 1))},
        {"do": "peak", "of": draw(st.sampled_from(["max", "max_abs"]))},
        {"do": "scale", "multiply": draw(st.sampled_from([1 / 32768, 0.5, -3.0, 100.0])), "add": draw(small)},
        {"do": "clip", "low": low, "high": low + draw(st.floats(1, 60000))},
        {"do": "clip", "low": -1.0, "high": 1.0},
    ]
    return draw(st.permutations(choices))[: draw(st.integers(0, 5))]


def on_energies(draw: st.DrawFn) -> Step:
    """Energy normalization with any parameters."""
    return {
        "do": "pcen",
        "smoothing": draw(st.sampled_from([0.025, 1e-9, 0.5, 1.0])),
        "gain": draw(st.sampled_from([0.98, 0.0, 0.5, 1.0, 1.7])),
        "bias": draw(st.sampled_from([2.0, 0.0, 1e-3, 100.0])),
        "power": draw(st.sampled_from([0.5, 0.1, 1.0, 2.0])),
        "eps": draw(st.sampled_from([1e-6, 1e-30, 10.0])),
        "start": draw(st.sampled_from(["first", "one"])),
    }


def on_values(draw: st.DrawFn, width: int) -> list[Step]:
    """Steps on rows of `width` values."""
    rows = draw(st.lists(small, min_size=width, max_size=width))
    choices: list[Step] = [
        {"do": "scale", "multiply": draw(small), "add": draw(small)},
        {"do": "scale", "multiply": rows, "add": 1.5},
        {"do": "clip", "low": -20.0, "high": draw(st.floats(0, 30))},
    ]
    return draw(st.permutations(choices))[: draw(st.integers(0, 3))]


@st.composite
def chains(draw: st.DrawFn) -> tuple[Preprocess, int, int, int]:
    """A chain, the width of its rows, samples of a clip, and rows."""
    length, step, frames = draw(st.integers(2, 300)), draw(st.integers(1, 400)), draw(st.integers(1, 6))
    fft = 1 << max(2, (length - 1).bit_length() + draw(st.integers(0, 1)))
    samples = (frames - 1) * step + length + draw(st.integers(0, step - 1))
    steps: list[Step] = []
    if draw(st.booleans()):
        steps.append({"do": "pad", "samples": samples, "at": draw(st.sampled_from(["start", "end"]))})
        samples = draw(st.integers(1, 2 * samples))
    steps += [*on_samples(draw), {"do": "frame", "length": length, "step": step}]
    if draw(st.booleans()):
        shape = draw(st.sampled_from(["hann", "hamming", "povey", "rectangular"]))
        steps.append({"do": "window", "shape": shape, "periodic": draw(st.booleans())})
    steps.append({"do": "spectrum", "fft": fft, "of": draw(st.sampled_from(["magnitude", "power"]))})
    width = fft // 2 + 1
    if mel := draw(st.booleans()):
        width = draw(st.integers(1, 20))
        norm = draw(st.sampled_from(["none", "slaney"]))
        steps.append({"do": "mel", "bins": width, "low_hz": 20, "high_hz": draw(st.integers(400, 8000)), "norm": norm})
    if draw(st.booleans()):
        steps.append({"do": "scale", "multiply": draw(st.floats(0, 10)), "add": draw(st.floats(0, 1))})
    end = draw(st.sampled_from(["", "log", "pcen"]))
    if end == "pcen":
        steps.append(on_energies(draw))
    if end == "log":
        base, offset = draw(st.sampled_from(["e", "10", "2"])), draw(st.sampled_from([1e-6, 1e-30, 0.1, 40.0]))
        steps.append({"do": "log", "base": base, "offset": offset, "multiply": draw(small)})
        if mel and draw(st.booleans()):
            width = draw(st.integers(1, width))
            steps.append({"do": "mfcc", "count": width, "norm": draw(st.sampled_from(["tf", "ortho"]))})
    steps += on_values(draw, width)
    rows = frames
    if draw(st.booleans()):
        size, hop = draw(st.integers(1, frames)), draw(st.integers(1, 3))
        steps.append({"do": "stack", "frames": size, "step": hop})
        rows, width = 1 + (frames - size) // hop, width * size
    return audio(*steps), width, samples, rows


@given(
    chains(),
    st.sampled_from(["int8", "uint8", "int16"]),
    st.floats(-12, 8),
    st.integers(1, 999),
    st.integers(0, 1 << 20),
    st.sampled_from([0, 1, 40, 3000, 32767]),
)
@settings(max_examples=120, suppress_health_check=list(HealthCheck))
def test_any_chain(
    drive: Drive, chain: tuple[Preprocess, int, int, int], dtype: str, size: float, piece: int, seed: int, most: int
) -> None:
    preprocess, width, samples, rows = chain
    zero_point = 100 if dtype == "uint8" else -5
    try:
        made = front(preprocess, tensor((1, rows, width), dtype, math.exp(size), zero_point))
    except ConvertError as refused:
        assert "[preprocess]" in refused.message
        return
    raw = noise(samples, seed, most)
    expected = quantized(made.program, raw)
    assert drive(made.image, raw, piece) == (0, expected)
    with NativeModel(made.image) as model:
        assert model.preprocess(raw, [piece, 1, 2]) == expected
        assert model.preprocess(raw) == expected


@pytest.mark.parametrize(
    "more", [{}, {"pcan": False}, {"log": False}, {"log_shift": 2, "channels": 17}, {"window_ms": 25}]
)
@pytest.mark.parametrize("rate_hz", [8000, 16_000])
def test_micro(drive: Drive, more: Mapping[str, Any], rate_hz: int) -> None:
    band = {"high_hz": 3600 if rate_hz == 8000 else 7500}
    preprocess = audio(
        {"do": "pad", "samples": rate_hz // 2}, {"do": "micro", **band, **more}, {"do": "scale", "multiply": 1 / 25.6},
        rate_hz=rate_hz,
    )  # fmt: skip
    frames, channels = preprocess.output_shape((rate_hz // 2,))
    made = front(preprocess, tensor((1, frames, channels), "int16", 1 / 25.6))
    for seed, most in enumerate((0, 3, 1000, 32767, 100_000)):
        raw = Raw(noise(rate_hz // 2 - 7 * seed, seed, most).array, rate_hz)
        integers = np.rint(preprocess.apply(raw) * 25.6).astype(np.int64)
        expected = np.clip(integers, -32768, 32767).astype("<i2").tobytes()
        assert quantized(made.program, raw) == expected
        assert drive(made.image, raw, 333) == (0, expected)


def test_every_length_that_gives_the_rows_is_taken_and_no_other(drive: Drive) -> None:
    steps = {"do": "frame", "length": 30, "step": 20}, {"do": "spectrum", "fft": 32}, {"do": "log"}
    made = front(audio(*steps), tensor((1, 3, 17)))
    assert (made.program.least, made.program.most) == (70, 89)
    for samples in (69, 70, 89, 90):
        status, data = drive(made.image, noise(samples))
        assert (status == 0) == (70 <= samples <= 89)
        assert status == 0 or b"shorter or longer" in data


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (Raw(np.zeros(80, np.int16), 8000), b"another rate"),
        (Raw(np.zeros((80, 1), np.int16), RATE_HZ), b"int16 samples"),
        (Raw(np.zeros(80, np.uint8), RATE_HZ), b"int16 samples"),
        (Raw(np.zeros(80, np.float32), 0), b"int16 samples"),
    ],
)
def test_what_is_no_such_audio_is_refused_with_the_reason(drive: Drive, raw: Raw, why: bytes) -> None:
    steps = {"do": "frame", "length": 30, "step": 20}, {"do": "spectrum", "fft": 32}, {"do": "log"}
    status, data = drive(front(audio(*steps), tensor((1, 3, 17))).image, raw)
    assert status == -2
    assert why in data


@pytest.mark.parametrize("at", [0, 49, 50, 99, 119])
def test_a_peak_before_a_preemphasis_is_found_wherever_it_is(drive: Drive, at: int) -> None:
    """The sample before the clip is none of it, whatever a step makes of silence; the last one is."""
    steps: list[Step] = [
        {"do": "scale", "add": 90.0}, {"do": "peak", "of": "max"}, {"do": "preemphasis"},
        {"do": "frame", "length": 50, "step": 35}, {"do": "spectrum", "fft": 64},
    ]  # fmt: skip
    samples = np.full(120, -80, np.int16)
    samples[at] = -20
    made, raw = front(audio(*steps), tensor((1, 3, 33), "int16", 0.001)), Raw(samples, RATE_HZ)
    assert drive(made.image, raw, 7) == (0, quantized(made.program, raw))
