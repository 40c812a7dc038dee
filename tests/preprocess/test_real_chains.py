"""The chains of docs/preprocess.md on real models: keyword spotting from raw clips, anomaly detection from log mels."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgeq.micro.compile import compile_model
from edgeq.micro.native import NativeModel
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.runtime import Model

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "preprocess.md"


Clips = tuple[np.ndarray, list[bytes], np.ndarray, list[bytes]]


@cache
def documented(number: int) -> Preprocess:
    """The chain in the document's n-th block of TOML."""
    block = DOCUMENT.read_text(encoding="utf-8").split("```toml\n")[number + 1].split("```")[0]
    return parse(tomllib.loads(block)["preprocess"])


def label(output: list[bytes]) -> int:
    return int(np.frombuffer(output[0], np.int8).argmax())


@pytest.fixture(scope="module")
def kws(shared_models: Path) -> Model:
    return Model(shared_models / "kws_mlperf_int8.tflite")


@pytest.fixture(scope="module")
def clips(shared_models: Path, kws: Model) -> Clips:
    """(features, the model's input from them, labels, the input that the benchmark gives) of 150 raw clips."""
    audio, given = np.load(shared_models / "kws01_audio_i16.npz"), np.load(shared_models / "kws01_mfcc_int8.npz")
    place = {name: number for number, name in enumerate(given["name"])}
    features = np.stack([documented(0).apply(Raw(clip, 16000)) for clip in audio["x"]])
    theirs = [given["x"][place[name]].tobytes() for name in audio["name"]]
    return features, [kws.inputs[0].encode(row.reshape(1, 49, 10, 1)) for row in features], audio["y"], theirs


def test_the_features_are_those_of_the_benchmark(kws: Model, clips: Clips) -> None:
    features, _, _, theirs = clips
    scale, zero_point = kws.inputs[0].scale, kws.inputs[0].zero_point
    # The benchmark cut its numbers off, where a quantizer rounds them.
    cut = np.clip(np.trunc(features / scale + zero_point), -128, 127).astype(np.int8)
    wanted = np.frombuffer(b"".join(theirs), np.int8).reshape(cut.shape)
    assert (cut == wanted).mean() > 0.995
    assert np.abs(cut.astype(int) - wanted).max() <= 1


def test_accuracy_from_audio_is_within_two_points(kws: Model, clips: Clips) -> None:
    _, ours, labels, theirs = clips
    from_audio = np.mean([label(kws.invoke([row])) == y for row, y in zip(ours, labels, strict=True)])
    from_features = np.mean([label(kws.invoke([row])) == y for row, y in zip(theirs, labels, strict=True)])
    assert from_audio > 0.89
    assert abs(from_audio - from_features) < 0.02


def test_the_microcontrollers_runtime_gives_the_same_labels(kws: Model, shared_models: Path, clips: Clips) -> None:
    ours = clips[1][:40]
    with NativeModel(compile_model((shared_models / "kws_mlperf_int8.tflite").read_bytes()).image()) as native:
        assert [label(native.invoke([row])) for row in ours] == [label(kws.invoke([row])) for row in ours]


def test_stacked_log_mels_find_anomalies(shared_models: Path) -> None:
    data, chain = np.load(shared_models / "ad01_logmel_f16.npz"), documented(1)
    model = Model(shared_models / "ad_mlperf_int8.tflite")
    scale, zero_point = model.outputs[0].scale, model.outputs[0].zero_point
    errors = []
    for clip in data["x"]:
        rows = chain.apply(Raw(clip.reshape(200, 128)))
        assert rows.shape == (196, 640)
        # Every eighth row is enough to see that the order of bands and frames is the model's.
        given = [np.frombuffer(model.invoke([model.inputs[0].encode(row[None])])[0], np.int8) for row in rows[::8]]
        errors.append(np.square((np.stack(given).astype(float) - zero_point) * scale - rows[::8]).mean())
    odd, normal = (np.array(errors)[data["y"] == y] for y in (1, 0))
    assert (odd[:, None] > normal).mean() > 0.8
