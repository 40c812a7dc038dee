"""Mel bands, logarithms, PCEN and MFCCs, held to TensorFlow and librosa (recorded by `record_cases.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeq.preprocess import PreprocessError, Raw, parse
from edgeq.preprocess.features import hz_of, mel_of, mel_table

CASES = np.load(Path(__file__).resolve().parents[1] / "cases" / "preprocess" / "audio.npz")
TO_ONE = {"do": "scale", "multiply": 1 / 32768}
LIBROSA = (
    TO_ONE,
    {"do": "frame", "length": 512, "step": 160},
    {"do": "window"},
    {"do": "spectrum", "fft": 512, "of": "power"},
    {"do": "mel", "bins": 32, "low_hz": 0, "high_hz": 8000, "scale": "slaney", "norm": "slaney"},
)
DECIBELS = {"do": "log", "base": "10", "offset": 0, "floor": 1e-10, "multiply": 10}


def applied(*steps: dict[str, Any]) -> np.ndarray:
    return parse({"input": "audio", "rate_hz": 16000, "steps": list(steps)}).apply(Raw(CASES["samples"], 16000))


def features(values: Any, *steps: dict[str, Any]) -> np.ndarray:
    return parse({"input": "features", "steps": list(steps)}).apply(Raw(np.array(values)))


def test_mel_weights_are_tensorflows() -> None:
    # TensorFlow computes them in float32, where the foot of a triangle is a small difference of large numbers.
    np.testing.assert_allclose(
        mel_table(40, 20.0, 4000.0, "htk", "none", "mel", 16000, 512), CASES["tf_mel"], rtol=1e-4, atol=3e-5
    )


@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize("htk", [True, False])
def test_mel_weights_are_librosas(norm: str | None, htk: bool) -> None:
    found = mel_table(64, 50.0, 7000.0, "htk" if htk else "slaney", norm or "none", "hz", 16000, 1024)
    np.testing.assert_allclose(found, CASES[f"librosa_mel_{norm}_{htk}"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_the_mel_scale_has_a_way_back(scale: str) -> None:
    hz = np.array([0.0, 20.0, 999.0, 1000.0, 1001.0, 24000.0])
    np.testing.assert_allclose(hz_of(mel_of(hz, scale), scale), hz, atol=1e-9)


def test_log_mel_and_mfccs_are_tensorflows() -> None:
    steps = (
        TO_ONE,
        {"do": "frame", "length": 480, "step": 320},
        {"do": "window"},
        {"do": "spectrum", "fft": 512},
        {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000},
        {"do": "log"},
    )
    np.testing.assert_allclose(applied(*steps), CASES["tf_log_mel"], rtol=1e-4, atol=1e-4)
    found = applied(*steps, {"do": "mfcc", "count": 10})
    np.testing.assert_allclose(found, CASES["tf_mfcc"], rtol=1e-4, atol=1e-4 * np.abs(CASES["tf_mfcc"]).max())


def test_decibels_are_librosas() -> None:
    np.testing.assert_allclose(applied(*LIBROSA, DECIBELS), CASES["librosa_decibels"], rtol=1e-4)


def test_the_orthogonal_cosine_transform_is_scipys() -> None:
    found = applied(*LIBROSA, DECIBELS, {"do": "mfcc", "count": 13, "norm": "ortho"})
    np.testing.assert_allclose(found, CASES["ortho"], rtol=1e-4, atol=1e-3)


def test_pcen_is_librosas() -> None:
    scaled = {"do": "scale", "multiply": 2.0**31}
    found = applied(*LIBROSA, scaled, {"do": "pcen", "start": "one"})
    np.testing.assert_allclose(found, CASES["librosa_pcen"], rtol=1e-4)


def test_pcen_of_what_does_not_change_is_constant() -> None:
    tone = np.tile(CASES["samples"][:160], 8)
    chain = [{"do": "frame", "length": 160, "step": 160}, {"do": "spectrum", "fft": 256}, {"do": "pcen"}]
    found = parse({"input": "audio", "rate_hz": 16000, "steps": chain}).apply(Raw(tone, 16000))
    np.testing.assert_allclose(found, np.tile(found[0], (8, 1)), rtol=1e-6)


@pytest.mark.parametrize(("base", "expected"), [("e", np.log(8)), ("2", 3), ("10", np.log10(8))])
def test_log_bases(base: str, expected: float) -> None:
    from edgeq.preprocess.features import log

    values = {"base": base, "offset": 1.0, "floor": 7.0, "multiply": 2.0}
    np.testing.assert_allclose(log(values, np.array([0.0, 7.0])), [2 * expected] * 2)


def test_stack_puts_successive_vectors_into_a_row() -> None:
    found = features([[1, 2], [3, 4], [5, 6], [7, 8]], {"do": "stack", "frames": 2})
    assert found.tolist() == [[1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 8]]
    assert features(np.arange(10).reshape(5, 2), {"do": "stack", "frames": 2, "step": 3}).tolist() == [
        [0, 1, 2, 3],
        [6, 7, 8, 9],
    ]


def test_stack_says_what_it_needs() -> None:
    with pytest.raises(PreprocessError, match="it needs 5 frames, but there are 4"):
        features(np.zeros((4, 2)), {"do": "stack", "frames": 5})
    with pytest.raises(PreprocessError, match=r"rows of feature vectors \[time, values\], but the data has 1 axes"):
        features(np.zeros(4), {"do": "stack", "frames": 2})


def test_scale_and_clip() -> None:
    found = features(
        [[1, 2], [3, 4]], {"do": "scale", "multiply": [1, 10], "add": 1}, {"do": "clip", "low": 3, "high": 40}
    )
    assert found.tolist() == [[3, 21], [4, 40]]


def test_scale_refuses_a_list_of_another_length() -> None:
    with pytest.raises(PreprocessError, match=r"Step 1 \(scale\): multiply has 3 numbers, but the last axis has 2"):
        features([[1, 2]], {"do": "scale", "multiply": [1, 2, 3]})


def test_features_are_numbers() -> None:
    with pytest.raises(PreprocessError, match="expects numbers"):
        features(["a"])
