"""Streams: random chains, cut anyhow, give what the whole clip gives."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.preprocess import PreprocessError, Raw, parse

RNG = np.random.default_rng(4)
SAMPLES = (RNG.normal(0, 3000, 9000) + 9000 * np.sin(np.arange(9000) / 7)).clip(-32768, 32767).astype(np.int16)


@st.composite
def chains(draw: st.DrawFn) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = draw(
        st.lists(
            st.sampled_from(
                [
                    {"do": "scale", "multiply": 1 / 32768},
                    {"do": "preemphasis"},
                    {"do": "clip", "low": -20000, "high": 20000},
                    {"do": "resample", "rate_hz": 8000},
                    {"do": "resample", "rate_hz": 22050},
                ]
            ),
            max_size=3,
        )
    )
    if draw(st.booleans()):
        return [*steps, {"do": "micro", "high_hz": 3500}]
    length = draw(st.integers(2, 600))
    steps += [{"do": "frame", "length": length, "step": draw(st.integers(1, 900))}]
    steps += draw(st.sampled_from([[], [{"do": "window"}]]))
    steps += [{"do": "spectrum", "fft": 1024, "of": draw(st.sampled_from(["power", "magnitude"]))}]
    if draw(st.booleans()):
        return [
            *steps,
            {"do": "pcen"},
            {"do": "stack", "frames": draw(st.integers(1, 4)), "step": draw(st.integers(1, 5))},
        ]
    return [*steps, {"do": "mel", "bins": 20, "low_hz": 50, "high_hz": 3900}, {"do": "log"}, {"do": "mfcc", "count": 7}]


@given(steps=chains(), cuts=st.lists(st.integers(0, 2500), max_size=10), raw_hz=st.sampled_from([16000, 44100, 8000]))
@settings(max_examples=25)
def test_chunks_give_what_the_whole_gives(steps: list[dict[str, Any]], cuts: list[int], raw_hz: int) -> None:
    chain = parse({"input": "audio", "rate_hz": 16000, "steps": steps})
    try:
        whole = chain.apply(Raw(SAMPLES, raw_hz))
    except PreprocessError:
        whole = None  # too short for one frame; a stream waits
    stream, at, found = chain.stream(raw_hz), 0, []
    for cut in [*cuts, len(SAMPLES)]:
        found.append(stream.feed(SAMPLES[at : at + cut]))
        at += cut
    found.append(stream.finish())
    joined = np.concatenate(found)
    if whole is None:
        assert len(joined) == 0
    else:
        assert joined.dtype == np.float32
        assert joined.shape == whole.shape == chain.output_shape(SAMPLES.shape, raw_hz)
        np.testing.assert_allclose(joined, whole, rtol=1e-5, atol=1e-5 * max(1.0, float(np.abs(whole).max())))


def test_features_come_as_soon_as_they_are_known() -> None:
    stream = parse(
        {"input": "audio", "rate_hz": 16000, "steps": [{"do": "frame", "length": 480, "step": 320}]}
    ).stream()
    assert [len(stream.feed(np.zeros(160, np.int16))) for _ in range(7)] == [0, 0, 1, 0, 1, 0, 1]


def test_a_stream_holds_little() -> None:
    steps = [
        {"do": "resample", "rate_hz": 8000},
        {"do": "frame", "length": 80, "step": 80},
        {"do": "spectrum", "fft": 80},
        {"do": "stack", "frames": 3},
    ]
    stream = parse({"input": "audio", "rate_hz": 16000, "steps": steps}).stream()
    for _ in range(200):
        stream.feed(np.zeros(500, np.int16))
    resample, frame, _, stack = stream._running
    assert len(resample._kept) < 100
    assert len(frame._kept) < 80
    assert len(stack._kept) < 3


@pytest.mark.parametrize("step", [{"do": "peak"}, {"do": "pad", "samples": 16000}])
def test_what_needs_the_whole_clip_is_no_stream(step: dict[str, Any]) -> None:
    chain = parse({"input": "audio", "rate_hz": 16000, "steps": [step]})
    with pytest.raises(PreprocessError, match=f"{step['do']} needs the whole clip"):
        chain.stream()


def test_images_are_no_stream() -> None:
    with pytest.raises(PreprocessError, match="only audio comes as a stream"):
        parse({"input": "image"}).stream()


def test_a_stream_ends_once() -> None:
    stream = parse({"input": "audio", "rate_hz": 16000}).stream()
    stream.finish()
    with pytest.raises(PreprocessError, match="The stream has ended"):
        stream.feed(np.zeros(1, np.int16))


def test_a_second_of_mfccs_takes_milliseconds() -> None:
    steps = [
        {"do": "frame", "length": 480, "step": 320},
        {"do": "window"},
        {"do": "spectrum", "fft": 512},
        {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000},
        {"do": "log"},
        {"do": "mfcc", "count": 10},
    ]
    chain, raw = parse({"input": "audio", "rate_hz": 16000, "steps": steps}), Raw(np.resize(SAMPLES, 16000), 16000)
    took = []
    for _ in range(10):
        begun = time.perf_counter()
        chain.apply(raw)
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.03
