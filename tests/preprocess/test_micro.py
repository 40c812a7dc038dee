"""TFLM's audio front end, byte by byte: recorded cases of its C++ (`record_micro.py`), and pymicro-features itself."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeq.preprocess import Preprocess, PreprocessError, Raw, parse
from edgeq.preprocess.micro import bit_length, log_scale, rounded_root
from edgeq.preprocess.micro_fft import real_fft
from edgeq.preprocess.micro_libm import log1p_f32
from edgeq.preprocess.micro_tables import tables

CASES = np.load(Path(__file__).resolve().parents[1] / "cases" / "preprocess" / "micro.npz")
SAID = json.loads(str(CASES["said"]))
DEFAULTS = parse({"input": "audio", "rate_hz": 16000, "steps": [{"do": "micro"}]})
STEP_SAMPLES = 160


def chain(rate_hz: int = 16000, **values: object) -> Preprocess:
    return parse({"input": "audio", "rate_hz": rate_hz, "steps": [{"do": "micro", **values}]})


def pymicro(samples: np.ndarray) -> np.ndarray:
    """What pymicro-features gives, as integers; it knows the defaults only."""
    library = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed")
    if not fdlibm():
        pytest.skip("this machine's log1pf is not that of microcontrollers, on which the oracle's weights depend")
    front, found = library.MicroFrontend(), []
    for at in range(0, len(samples) - STEP_SAMPLES + 1, STEP_SAMPLES):
        features = front.process_samples(samples[at : at + STEP_SAMPLES].tobytes()).features
        if features:
            found.append([round(value / 0.0390625) for value in features])
    return np.array(found)


def fdlibm() -> bool:
    """Whether this machine's C library computes log1pf as those of microcontrollers do."""
    name = ctypes.util.find_library("m")
    if name is None:
        return False
    log1pf = ctypes.CDLL(name).log1pf
    log1pf.restype, log1pf.argtypes = ctypes.c_float, [ctypes.c_float]
    ratios = (np.arange(1, 257, dtype=np.float32) * np.float32(31.25)) / np.float32(700)
    return all(log1pf(float(ratio)) == float(log1p_f32(ratio)) for ratio in ratios)


@pytest.mark.parametrize("number", range(len(SAID)))
def test_every_byte_of_the_recorded_cases(number: int) -> None:
    rate_hz, samples = SAID[number]["rate_hz"], CASES[f"samples_{number}"]
    found = parse({"input": "audio", "rate_hz": rate_hz, "steps": [SAID[number]["step"]]}).apply(Raw(samples, rate_hz))
    np.testing.assert_array_equal(found, CASES[f"features_{number}"])


@pytest.mark.parametrize("number", range(len(SAID)))
def test_the_tables_of_the_recorded_cases(number: int) -> None:
    values = {key: value for key, value in SAID[number]["step"].items() if key != "do"}
    found = tables(values, SAID[number]["rate_hz"])
    np.testing.assert_array_equal(found.window, CASES[f"window_{number}"])
    np.testing.assert_array_equal(found.gains, CASES[f"gains_{number}"] if values["pcan"] else [])


def test_the_logarithm_of_filter_weights_is_fdlibms() -> None:
    # Bits that glibc 2.36 gives; at the last three a correctly rounded logarithm has others.
    bits = {
        0.0: 0x00000000,
        9.313225746154785e-10: 0x30800000,
        0.25: 0x3E647FBE,
        0.5: 0x3ECF991F,
        1.0: 0x3F317218,
        0.2678571343421936: 0x3E730628,
        0.5803571343421936: 0x3EEA5136,
        0.6696428656578064: 0x3F033A64,
    }
    for x, wanted in bits.items():
        assert int(log1p_f32(x).view(np.uint32)) == wanted, x


SOUNDS = {
    "silent": np.zeros(4000, np.int16),
    "faint": np.random.default_rng(1).integers(-2, 3, 4000).astype(np.int16),
    "random": np.random.default_rng(2).integers(-32768, 32768, 16000).astype(np.int16),
    "loudest": np.random.default_rng(3).choice(np.array([-32768, 32767], np.int16), 16000),
    "lowest": np.full(4000, -32768, np.int16),
    "square": np.repeat(np.tile(np.array([-32768, 32767], np.int16), 25), 160),
}


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_byte_of_pymicro_features(sound: str) -> None:
    np.testing.assert_array_equal(DEFAULTS.apply(Raw(SOUNDS[sound], 16000)), pymicro(SOUNDS[sound]))


def test_every_byte_of_pymicro_features_on_speech(shared_models: Path) -> None:
    clips = np.load(shared_models / "kws01_audio_i16.npz")["x"]
    for clip in clips[::3]:
        np.testing.assert_array_equal(DEFAULTS.apply(Raw(clip, 16000)), pymicro(clip))


@given(cuts=st.lists(st.integers(0, 1500), max_size=8))
@settings(max_examples=30)
def test_a_stream_carries_its_state_over_the_chunks(cuts: list[int]) -> None:
    samples, stream, at, found = SOUNDS["random"][:6000], DEFAULTS.stream(), 0, []
    for cut in [*cuts, len(samples)]:
        found.append(stream.feed(samples[at : at + cut]))
        at += cut
    np.testing.assert_array_equal(np.concatenate(found), DEFAULTS.apply(Raw(samples, 16000)))


def test_the_tables_of_the_defaults() -> None:
    found = tables(DEFAULTS.steps[0].values, 16000)
    assert found.sizes == (480, 160, 512, 3)
    assert (found.window.max(), found.window.min()) == (4096, 0)
    assert (found.first_bin, found.snr_shift, found.least_signal) == (5, 6, 819)
    assert found.smoothing[:2].tolist() == [409, 983]
    assert len(found.weights) == len(found.unweights) == found.widths.sum() == 236
    assert found.starts[0] == found.first_bin
    assert (found.weights + found.unweights == 4096).mean() > 0.99


def test_the_fft_is_a_fourier_transform() -> None:
    found = tables(DEFAULTS.steps[0].values, 16000)
    samples = np.random.default_rng(5).integers(-30000, 30000, (3, 512)).astype(np.int16)
    real, imaginary = real_fft(found.twiddles, found.real_twiddles, samples)
    wanted = np.fft.rfft(samples) / 512
    assert np.abs(real + 1j * imaginary - wanted).max() < 6


@given(st.integers(0, 2**64 - 1))
@example(2**32 - 1)
@example(2**32)
@example(2**64 - 1)
@settings(max_examples=300)
def test_the_root_is_rounded(x: int) -> None:
    root = math.isqrt(x)
    wanted = root + (x - root * root > root and root != (0xFFFF if x < 1 << 32 else 0xFFFFFFFF))
    assert int(rounded_root(np.array([x], np.uint64))[0]) == wanted


@given(st.integers(0, 2**29 - 1))
@settings(max_examples=200)
def test_the_logarithm_is_one(x: int) -> None:
    found = int(log_scale(np.array([x], np.uint32), 3, 6)[0])
    assert abs(found - 64 * math.log(max(1, 8 * x))) < 1.0


def test_bit_length() -> None:
    values = [0, 1, 2, 3, 4, 2**31, 2**32 - 1]
    assert bit_length(np.array(values, np.uint32)).tolist() == [value.bit_length() for value in values]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step_ms": 40}, "30 ms each 40 ms are 480 and 640 samples"),
        ({"high_hz": 8001}, "high_hz is 8001, but audio of 16000 Hz ends at 8000 Hz"),
        ({"high_hz": 8000}, "high_hz is 8000; it must lie 31.25 Hz or more below half the rate"),
        ({"low_hz": 7600}, "low_hz is 7600, which is not below high_hz, 7500"),
        ({"pcan_gain_bits": 14}, "pcan_gain_bits is 14; this FFT needs 15 or more"),
        ({"smoothing_bits": 2}, "smoothing_bits is 2; this FFT needs 3 or more"),
    ],
)
def test_what_the_front_end_cannot_do_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(PreprocessError, match=r"Step 1 \(micro\): " + message):
        chain(**values)
