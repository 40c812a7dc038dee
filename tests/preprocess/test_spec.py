"""`[preprocess]` as data: what is read, what is refused and how it is told, the canonical form and its digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.preprocess import External, PreprocessError, Raw, parse
from edgeq.preprocess.vocabulary import INPUTS, STAGES, VOCABULARY, Kind, Parameter

FRAME = {"do": "frame", "length": 480, "step": 320}
SPECTRUM = {"do": "spectrum", "fft": 512}
MEL = {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000}
SHA = "ab" * 32


def audio(*steps: Any) -> dict[str, Any]:
    return {"input": "audio", "rate_hz": 16000, "steps": list(steps)}


def test_every_parameter_is_written_out() -> None:
    chain = parse(audio(FRAME, {"do": "window"}, SPECTRUM, MEL, {"do": "log"}, {"do": "mfcc", "count": 10}))
    assert chain.to_json() == {
        "input": "audio",
        "rate_hz": 16000,
        "steps": [
            {"do": "frame", "length": 480, "step": 320},
            {"do": "window", "shape": "hann", "periodic": True},
            {"do": "spectrum", "fft": 512, "of": "magnitude"},
            {
                **{"do": "mel", "bins": 40, "low_hz": 20.0, "high_hz": 4000.0},
                **{"scale": "htk", "norm": "none", "slopes": "mel"},
            },
            {"do": "log", "base": "e", "offset": 1e-06, "floor": 0.0, "multiply": 1.0},
            {"do": "mfcc", "count": 10, "norm": "tf"},
        ],
    }
    assert chain.output_shape((16000,)) == (49, 10)


def test_a_default_may_follow_another_parameter() -> None:
    slaney = parse(audio(FRAME, SPECTRUM, {**MEL, "scale": "slaney"}))
    assert slaney.steps[2].values["slopes"] == "hz"


def test_the_digest_is_of_what_is_computed() -> None:
    one = parse(audio({"do": "scale", "multiply": 1}))
    assert one.digest == parse(audio({"do": "scale", "multiply": 1.0, "add": -0.0})).digest
    assert one.digest != parse(audio({"do": "scale", "multiply": 2})).digest
    # Pinned: the digest is part of an interface that devices hold.
    canonical = b'{"input":"audio","rate_hz":16000,"steps":[{"add":0.0,"do":"scale","multiply":1.0}]}'
    assert one.digest == hashlib.sha256(canonical).hexdigest()


def test_external_names_its_owner_and_keeps_the_data() -> None:
    chain = parse({"external": {"owner": "audio team", "sha256": SHA.upper(), "note": "gain control"}})
    assert chain.external == External("audio team", SHA, "gain control")
    assert chain.to_json() == {"external": {"owner": "audio team", "sha256": SHA, "note": "gain control"}}
    assert parse(chain.to_json()) == chain
    found = chain.apply(Raw(np.array([[1, 2]], np.int8)))
    assert (found.dtype, found.tolist()) == (np.float32, [[1, 2]])
    assert chain.output_shape((1, 2)) == (1, 2)
    with pytest.raises(PreprocessError, match="expects numbers"):
        chain.apply(Raw(np.zeros(4, np.int16), 16000))


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({}, "input is None; expected one of audio, image, features", "Known: audio, image, features."),
        ({"input": "audo"}, 'input is "audo"', 'Did you mean "audio"?'),
        ({"input": "audio"}, "lacks rate_hz", "rate_hz = 16000"),
        ({"input": "audio", "rate_hz": 50}, "rate_hz is 50; expected an integer from 1000 to 768000", ""),
        ({"input": "audio", "rate_hz": True}, "rate_hz is true; expected an integer", ""),
        ({"input": "image", "rate_hz": 16000}, "rate_hz belongs to audio only", "Remove it."),
        ({"input": "image", "step": []}, 'has no key "step"', 'Did you mean "steps"?'),
        ({"input": "image", "steps": {}}, "steps is not a list", ""),
        ({"input": "image", "steps": [{}] * 65}, "has 65 steps; at most 64", ""),
        (audio("frame"), "Step 1 does not say what to do", "frame"),
        (audio({"do": "fram"}), 'Step 1: there is no step "fram"', 'Did you mean "frame"?'),
        (audio({"do": "frame", "lenght": 480}), 'Step 1 (frame) has no parameter "lenght"', 'Did you mean "length"?'),
        (audio({"do": "frame", "length": 480}), "Step 1 (frame) lacks step", "an integer from 1 to 65536"),
        (audio({**FRAME, "step": -3}), "Step 1 (frame): step is -3; expected an integer from 1 to 65536", ""),
        (audio({**FRAME, "step": 3.0}), "Step 1 (frame): step is 3.0; expected an integer", ""),
        (audio(FRAME, {"do": "window", "shape": "han"}), 'shape is "han"; expected one of "hann"', '"hann"?'),
        (audio(FRAME, {"do": "window", "periodic": 1}), "periodic is 1; expected true or false", ""),
        (audio({"do": "scale", "multiply": float("nan")}), "multiply is nan; expected a number", ""),
        (audio({"do": "scale", "multiply": []}), "multiply is []; expected a number, or a list of numbers", ""),
        (audio({"do": "scale", "multiply": [1]}), "multiply is a list, but audio has one number", "one number"),
        (audio({"do": "clip", "low": 1, "high": 1}), "low is 1, which is not below high, 1", ""),
        (audio(FRAME, MEL), "Step 2 (mel) takes spectrum, but step 1 (frame) gives frames", "Put spectrum before it."),
        (audio({"do": "resize", "height": 9, "width": 9}), "Step 1 (resize) takes image, but the input is audio", ""),
        (audio(FRAME, SPECTRUM, FRAME), "Step 3 (frame) takes audio, but step 2 (spectrum) gives spectrum", "mel"),
        (audio(FRAME, {"do": "spectrum", "fft": 256}), "fft is 256, but a frame has 480 samples", "Choose 512"),
        (audio(FRAME, {"do": "spectrum", "fft": 513}), "fft is 513; expected an even number", ""),
        (audio(FRAME, SPECTRUM, {**MEL, "high_hz": 9000}), "high_hz is 9000, but audio of 16000 Hz ends at 8000", ""),
        (audio(FRAME, SPECTRUM, {**MEL, "low_hz": 4000}), "low_hz is 4000, which is not below high_hz, 4000", ""),
        (audio(FRAME, SPECTRUM, {"do": "log", "offset": 0}), "silence has no logarithm", "above 0"),
        (
            audio(FRAME, SPECTRUM, MEL, {"do": "log"}, {"do": "mfcc", "count": 41}),
            "Step 5 (mfcc): count is 41, but there are 40 mel bands",
            "",
        ),
        (
            {"input": "image", "steps": [{"do": "colour", "order": "bgr"}, {"do": "colour", "order": "gray"}]},
            "Step 2 (colour): the colour order was chosen before",
            "Keep one",
        ),
        (
            {
                "input": "image",
                "steps": [{"do": "resize", "height": 8000, "width": 8000}, {"do": "colour", "order": "rgb"}],
            },
            "Step 2 (colour): it gives 192000000 numbers for one input",
            "smaller",
        ),
        (
            audio({"do": "resample", "rate_hz": 767999}),
            "from 16000 to 767999 Hz takes 767999 x 32 filter taps",
            "",
        ),
        ({"external": {"owner": "x", "sha256": "12"}}, "sha256 is not a SHA-256", "64 hex digits"),
        ({"external": {"sha256": SHA}}, "external lacks owner", "team"),
        ({"external": {"ownr": "x"}}, 'has no key "ownr"', 'Did you mean "owner"?'),
        ({"external": {"owner": 1, "sha256": SHA}}, "external owner is not text", ""),
        ({"external": {"owner": "x", "sha256": SHA}, "steps": []}, "has external and steps of its own", "Keep one"),
        ({"external": "x"}, "external is not a table", ""),
    ],
)
def test_what_is_wrong_is_told(table: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(PreprocessError) as caught:
        parse(table)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_errors_of_the_data_name_the_step_as_the_file_numbers_it() -> None:
    chain = parse(audio({"do": "scale"}, FRAME))
    for rate_hz in (16000, 48000):
        with pytest.raises(PreprocessError, match=r"Step 2 \(frame\): it needs 480 samples, but there are"):
            chain.apply(Raw(np.zeros(300, np.int16), rate_hz))


def test_audio_of_an_odd_rate_is_refused() -> None:
    with pytest.raises(
        PreprocessError, match="The audio cannot be resampled: from 767999 to 16000 Hz takes 16000 x 1536"
    ):
        parse(audio()).apply(Raw(np.zeros(300, np.int16), 767_999))


@pytest.mark.parametrize(("name", "kind"), VOCABULARY.items())
def test_the_vocabulary_keeps_its_own_rules(name: str, kind: Kind) -> None:
    assert {*kind.turns, *kind.turns.values()} <= set(STAGES)
    for key, parameter in kind.parameters.items():
        assert key != "do"
        assert parameter.kind in ("integer", "number", "numbers", "choice", "truth")
        assert bool(parameter.choices) == (parameter.kind == "choice")
        if parameter.kind == "choice" and parameter.default is not None:
            assert parameter.default in parameter.choices
        if parameter.kind in ("integer", "number") and parameter.default is not None:
            assert parameter.low <= parameter.default <= parameter.high
        assert parameter.expected()


def test_every_step_can_be_reached() -> None:
    reached = set(INPUTS)
    for _ in STAGES:
        reached |= {after for kind in VOCABULARY.values() for before, after in kind.turns.items() if before in reached}
    assert reached == set(STAGES)


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    low, high = max(parameter.low, -1e6), min(parameter.high, 1e6)
    if parameter.kind == "choice":
        return st.sampled_from(parameter.choices)
    if parameter.kind == "truth":
        return st.booleans()
    if parameter.kind == "integer":
        return st.integers(int(low), int(high))
    return st.floats(low, high)


def steps() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.fixed_dictionaries(
            {"do": st.just(name)}, optional={key: values(parameter) for key, parameter in kind.parameters.items()}
        )
        for name, kind in VOCABULARY.items()
    )


@given(
    st.sampled_from(INPUTS),
    st.lists(steps(), max_size=4) | st.lists(st.recursive(st.none() | st.text() | st.floats(), st.lists), max_size=2),
)
@settings(max_examples=200)
def test_what_is_read_reads_back_and_all_else_is_refused(kind: str, found: list[Any]) -> None:
    table = {"input": kind, "steps": found, **({"rate_hz": 16000} if kind == "audio" else {})}
    try:
        chain = parse(table)
    except PreprocessError:
        return
    again = parse(json.loads(json.dumps(chain.to_json())))
    assert again == chain
    assert again.digest == chain.digest


def test_a_front_end_by_its_name_is_written_out() -> None:
    found = parse({"frontend": "micro", "steps": [{"do": "stack", "frames": 3, "step": 3}]})
    assert found.rate_hz == 16_000
    assert [step.do for step in found.steps] == ["micro", "scale", "stack"]
    assert parse(found.to_json()) == found
    for wrong in ({"frontend": "macro"}, {"frontend": "micro", "rate_hz": 8000}, {"frontend": "micro", "steps": 3}):
        with pytest.raises(PreprocessError):
            parse(wrong)


def test_the_named_front_end_is_pymicro_features(shared_models: Path) -> None:
    pymicro = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed")
    clip = np.load(shared_models / "kws01_audio_i16.npz")["x"][0]
    engine, frames, at = pymicro.MicroFrontend(), [], 0
    while at + 320 <= 2 * len(clip):
        given = engine.process_samples(clip.tobytes()[at : at + 320])
        at += 2 * given.samples_read
        if given.features:
            frames.append(given.features)
    got = parse({"frontend": "micro"}).apply(Raw(clip, 16_000))
    np.testing.assert_allclose(got[: len(frames)], np.array(frames, np.float32), rtol=1e-6)
