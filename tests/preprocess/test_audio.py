"""Resampling, framing, windows and spectra, held to TensorFlow and librosa (recorded by `record_cases.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeq.preprocess import PreprocessError, Raw, parse
from edgeq.preprocess.audio import Resample

CASES = np.load(Path(__file__).resolve().parents[1] / "cases" / "preprocess" / "audio.npz")
SAMPLES = CASES["samples"]
TO_ONE = {"do": "scale", "multiply": 1 / 32768}


def applied(samples: np.ndarray, *steps: dict[str, Any], rate_hz: int = 16000, raw_hz: int = 16000) -> np.ndarray:
    return parse({"input": "audio", "rate_hz": rate_hz, "steps": list(steps)}).apply(Raw(samples, raw_hz))


def tone(hz: float, rate_hz: int, seconds: float = 0.25) -> np.ndarray:
    return np.rint(12000 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.int16)


@pytest.mark.parametrize("shape", ["hann", "hamming"])
@pytest.mark.parametrize("periodic", [True, False])
def test_the_spectrum_is_tensorflows(shape: str, periodic: bool) -> None:
    found = applied(
        SAMPLES,
        TO_ONE,
        {"do": "frame", "length": 480, "step": 320},
        {"do": "window", "shape": shape, "periodic": periodic},
        {"do": "spectrum", "fft": 512},
    )
    np.testing.assert_allclose(found, CASES[f"tf_stft_{shape}_{periodic}"], rtol=1e-4, atol=1e-5)


def test_the_power_is_librosas() -> None:
    found = applied(
        SAMPLES,
        TO_ONE,
        {"do": "frame", "length": 512, "step": 160},
        {"do": "window"},
        {"do": "spectrum", "fft": 512, "of": "power"},
    )
    np.testing.assert_allclose(found, CASES["librosa_power"], rtol=1e-4, atol=1e-8)


def test_povey_and_rectangular_windows() -> None:
    ones = np.ones(8, np.int16)
    frame = {"do": "frame", "length": 8, "step": 8}
    povey = applied(ones, frame, {"do": "window", "shape": "povey", "periodic": False})[0]
    np.testing.assert_allclose(povey, (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(8) / 7)) ** 0.85, atol=1e-7)
    assert applied(ones, frame, {"do": "window", "shape": "rectangular"}).tolist() == [[1.0] * 8]


def test_frames_begin_each_step_and_incomplete_ones_are_left_out() -> None:
    found = applied(np.arange(11, dtype=np.int16), {"do": "frame", "length": 4, "step": 3})
    assert found.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert applied(np.arange(9, dtype=np.int16), {"do": "frame", "length": 2, "step": 5}).tolist() == [[0, 1], [5, 6]]


def test_a_clip_shorter_than_a_frame_is_refused() -> None:
    with pytest.raises(PreprocessError, match=r"Step 1 \(frame\): it needs 480 samples, but there are 100"):
        applied(SAMPLES[:100], {"do": "frame", "length": 480, "step": 320})


@pytest.mark.parametrize(
    ("samples", "at", "expected"),
    [(3, "end", [1, 2, 3]), (6, "end", [1, 2, 3, 4, 0, 0]), (3, "start", [2, 3, 4]), (6, "start", [0, 0, 1, 2, 3, 4])],
)
def test_pad(samples: int, at: str, expected: list[int]) -> None:
    assert applied(np.arange(1, 5, dtype=np.int16), {"do": "pad", "samples": samples, "at": at}).tolist() == expected


def test_peak() -> None:
    clip = np.array([-8, 2, 4], np.int16)
    assert applied(clip, {"do": "peak"}).tolist() == [-1, 0.25, 0.5]
    assert applied(clip, {"do": "peak", "of": "max"}).tolist() == [-2, 0.5, 1]
    assert applied(np.zeros(3, np.int16), {"do": "peak"}).tolist() == [0, 0, 0]


def test_preemphasis() -> None:
    assert applied(np.array([4, 8, 2], np.int16), {"do": "preemphasis", "coefficient": 0.5}).tolist() == [4, 6, -2]


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 16000), (48000, 16000), (8000, 16000), (22050, 16000)])
def test_resampling_keeps_a_tone_and_takes_what_lies_above(from_hz: int, to_hz: int) -> None:
    found = applied(tone(1000, from_hz), rate_hz=to_hz, raw_hz=from_hz)
    assert len(found) == -(-int(from_hz * 0.25) * to_hz // from_hz)
    wanted = 12000 * np.sin(2 * np.pi * 1000 * np.arange(len(found)) / to_hz)
    np.testing.assert_allclose(found[200:-200], wanted[200:-200], atol=12)
    if from_hz > 2 * 9000:
        alias = applied(tone(9000, from_hz), rate_hz=to_hz, raw_hz=from_hz)
        assert np.abs(alias[200:-200]).max() < 12000 * 10 ** (-54 / 20)


def test_resampling_keeps_a_constant() -> None:
    found = applied(np.full(4410, 1000, np.int16), rate_hz=16000, raw_hz=44100)
    np.testing.assert_allclose(found[50:-50], 1000, rtol=1e-6)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 16000), (16000, 44100), (16000, 16001)])
def test_resampling_in_chunks_is_resampling_the_whole(from_hz: int, to_hz: int) -> None:
    samples = np.random.default_rng(1).standard_normal(900)
    whole = Resample(from_hz, to_hz)(samples, True)
    step = Resample(from_hz, to_hz)
    chunks = [step(samples[at : at + 70], False) for at in range(0, 900, 70)]
    np.testing.assert_allclose(np.concatenate([*chunks, step(samples[:0], True)]), whole, rtol=0, atol=1e-13)


def test_resample_as_a_step_changes_the_rate_of_what_follows() -> None:
    chain = parse(
        {
            "input": "audio",
            "rate_hz": 16000,
            "steps": [{"do": "resample", "rate_hz": 8000}, {"do": "frame", "length": 256, "step": 128}],
        }
    )
    assert chain.output_shape((16000,)) == (61, 256)
    assert chain.output_shape((48000,), rate_hz=48000) == (61, 256)


@pytest.mark.parametrize(
    "raw",
    [
        Raw(np.zeros(9), 16000),
        Raw(np.zeros(9, np.int16)),
        Raw(np.zeros(9, np.int16), 1 << 30),
        Raw(np.zeros((9, 2), np.int16), 16000),
    ],
)
def test_what_is_no_audio_is_refused(raw: Raw) -> None:
    with pytest.raises(PreprocessError, match="expects audio: int16 samples"):
        parse({"input": "audio", "rate_hz": 16000}).apply(raw)


def test_an_empty_clip_is_refused() -> None:
    with pytest.raises(PreprocessError, match="empty"):
        applied(np.zeros(0, np.int16))
