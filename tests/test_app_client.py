"""The client of applications: predictions from the serving release, over a real agent, with nothing installed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import wave
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import MODEL, make_bundle, tiny

from edgeq.bundle import Bundle, canonical_json
from edgeq.client import Model, ModelError, Prediction, read_wav
from edgeq.deploy import deploy
from edgeq.device.agentfile import agent_path
from edgeq.device.device import Device
from edgeq.interface import Interface
from edgeq.link.program import ProgramLink
from edgeq.preprocess import parse
from edgeq.protocol.status import Status
from edgeq.runtime import Model as Runtime


def connect(store: Path) -> Device:
    return Device(ProgramLink([sys.executable, str(agent_path()), "attach", str(store)], "local:"), "local:")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    store = tmp_path / "store"
    with connect(store) as device:
        deploy(make_bundle(tmp_path / "first"), device)
    yield store
    with connect(store) as device:
        device.reset()


def bundle(folder: Path, **changes: Any) -> Bundle:
    """The tiny model with another interface."""
    return make_bundle(folder, interface=replace(tiny()[1], **changes))


def expected(real: Any) -> tuple[float, ...]:
    """The last output for real values, computed here."""
    model = Runtime(MODEL.read_bytes())
    interface: Interface = tiny()[1]
    raw = model.invoke([model.inputs[0].encode(np.reshape(real, interface.inputs[0].shape))])[-1]
    tensor = interface.outputs[-1]
    return tuple(tensor.dequantize(np.frombuffer(raw, tensor.dtype)).tolist())


def sample(seed: int = 0) -> Any:
    tensor = tiny()[1].inputs[0]
    raw = np.random.default_rng(seed).integers(-128, 128, tensor.shape, np.int8)
    return tensor.dequantize(raw)


def same(prediction: Prediction, scores: tuple[float, ...]) -> bool:
    return bool(np.allclose(prediction.scores, scores, atol=1e-6))


def test_it_predicts_what_the_runtime_computes(store: Path) -> None:
    with Model("tiny", store) as model:
        for seed in range(3):
            real = sample(seed)
            found = model.predict(real)
            assert same(found, expected(real))
            assert found.label == model.interface["labels"][int(np.argmax(found.scores))]
            assert found.score == max(found.scores)
            assert model.predict(real.tolist()) == found  # nested lists do as well


def test_another_release_answers_the_next_prediction(store: Path, tmp_path: Path) -> None:
    real = sample()
    with Model("tiny", store) as model, connect(store) as device:
        assert model.predict(real).release == 1
        deploy(bundle(tmp_path / "second", labels=("up", "down", "none")), device, allow_interface_change=True)
        found = model.predict(real)
        assert found.release == 2
        assert found.label in ("up", "down", "none")
        device.rollback()
        assert model.predict(real).label in ("left", "right", "none")


def test_threshold_and_smoothing_are_the_interfaces(store: Path, tmp_path: Path) -> None:
    with connect(store) as device:
        deploy(bundle(tmp_path / "b", threshold=1e6, smoothing=2), device, allow_interface_change=True)
    one, two = expected(sample(0)), expected(sample(1))
    with Model("tiny", store) as model:
        assert model.predict(sample(0)).label == ""
        smoothed = model.predict(sample(1))
        assert same(smoothed, tuple((a + b) / 2 for a, b in zip(one, two, strict=True)))
        model.reset()
        assert same(model.predict(sample(1)), two)


def test_an_agent_that_ended_is_started_again(store: Path) -> None:
    with Model("tiny", store) as model:
        before = model.predict(sample())
        with connect(store) as device:
            device.reset()
        assert model.predict(sample()) == before


def on_trial(folder: Path, **policy: Any) -> Bundle:
    """The tiny model, with something asked of its trial."""
    return make_bundle(folder, name="tiny", confirm=policy)


def test_good_words_of_an_application_end_a_trial_well(store: Path, tmp_path: Path) -> None:
    with Model("tiny", store) as model, connect(store) as device:
        with pytest.raises(ModelError, match="Nothing was predicted yet"):
            model.ok()
        deploy(on_trial(tmp_path / "two", good=4), device, watch=False)
        assert model.predict(sample()).release == 2  # the agent counts it too
        assert [model.ok() for _ in range(2)] == ["trial"] * 2
        model.ok()
        assert wait_for(lambda: device.installed().current == 2)
        assert model.ok() == "confirmed"


def test_a_bad_word_of_an_application_goes_back(store: Path, tmp_path: Path) -> None:
    with Model("tiny", store) as model, connect(store) as device:
        deploy(on_trial(tmp_path / "two", window_s=300), device, watch=False)
        assert model.predict(sample()).release == 2
        model.bad("the door stayed shut")
        assert wait_for(lambda: device.installed().trial is None)
        assert [release.state for release in device.releases()] == ["confirmed", "bad"]
        assert model.predict(sample()).release == 1


def wait_for(what: Callable[[], bool]) -> bool:
    """Whether it comes about within a minute."""
    deadline = time.monotonic() + 60
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    return what()


def test_no_prediction_fails_while_releases_and_agents_change(store: Path, tmp_path: Path) -> None:
    others = [make_bundle(tmp_path / name, name="tiny", mode=name) for name in ("x", "y")]
    ended, failures, counts = threading.Event(), list[str](), [0, 0]
    real = sample().tolist()

    def predict(index: int) -> None:
        with Model("tiny", store) as model:
            while not ended.is_set():
                try:
                    model.predict(real)
                    counts[index] += 1
                except ModelError as error:
                    failures.append(str(error))

    threads = [threading.Thread(target=predict, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(6):
            with connect(store) as device:
                deploy(others[turn % 2], device)
                device.rollback()
                if turn == 3:
                    device.reset()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert min(counts) > 6


def test_a_photo_without_numpy(store: Path, tmp_path: Path) -> None:
    tensor = tiny()[1].inputs[0]
    height, width, channels = tensor.shape[1:]
    steps = {"input": "image", "steps": [{"do": "scale", "multiply": 1.0, "add": 0.0}]}
    pixels = bytes(range(height * width * channels))
    with connect(store) as device:
        deploy(bundle(tmp_path / "photo", preprocess=parse(steps).to_json()), device, allow_interface_change=True)
    with Model("tiny", store) as model:
        found = model.predict(memoryview(pixels).cast("B", (height, width, channels)))
        assert same(found, expected(np.frombuffer(pixels, np.uint8)))
        rows = np.frombuffer(pixels, np.uint8).reshape(height, width, channels).tolist()
        assert model.predict(rows) == found
        with pytest.raises(ModelError, match=r"expects an image: uint8 \[height, width, 1 or 3\]\.$"):
            model.predict([[[0.5, 0.5, 0.5]]])
        with pytest.raises(ValueError, match="only wav files are read here; give the pixels"):
            model.predict("photo.png")


def test_errors_are_told(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is 'tiny', not 'kws'"):
        Model("kws", store)
    with pytest.raises(ModelError, match="No model serves") as none:
        Model("tiny", tmp_path / "empty")
    assert none.value.status == Status.STATE
    with Model("tiny", store) as model, pytest.raises(ValueError, match="3 were given"):
        model.predict([1.0, 2.0, 3.0])


def test_it_needs_only_the_agents_file_and_the_standard_library(store: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(store / 'agent.pyz')!r})\n"
        "from edgeq.client import Model\n"
        f"with Model('tiny', {str(store)!r}) as model:\n"
        f"    print(model.predict({sample().tolist()!r}).label)\n"
        "assert not {'numpy', 'edgeq.errors', 'edgeq.cli'} & set(sys.modules), sorted(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("left", "right", "none")


def test_wav_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(array("h", [1, 3, -32768, -32768, 7, 8]).tobytes())
    assert read_wav(path) == (array("h", [2, -32768, 8]), 16000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\0\1")
    with pytest.raises(ValueError, match="8 bits"):
        read_wav(path)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(100))
    whole = path.read_bytes()
    for data, words in (
        (whole[:-50], "is cut short"),
        (b"", "no 16-bit PCM wav file: it is cut short"),
        (b"fLaC" + bytes(40), "no 16-bit PCM wav file"),
        (whole[:20] + b"\3" + whole[21:], "no 16-bit PCM wav file: unknown format: 3"),
        (whole[:40] + bytes(4), "is empty"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=words):
            read_wav(path)


def test_the_interface_document_is_what_the_bundle_holds(store: Path) -> None:
    with Model("tiny", store) as model:
        assert canonical_json(model.interface) == canonical_json(tiny()[1].to_json())


@pytest.mark.parametrize("gone", [False, True], ids=["another", "none"])
def test_the_model_runs_in_the_interpreter_that_it_was_tested_in(store: Path, tmp_path: Path, gone: bool) -> None:
    """Whoever starts the agent, such as an application of the system's Python, which has no runtime."""
    facts = store / "releases" / "1" / "release.json"
    document = json.loads(facts.read_text(encoding="utf-8"))
    assert document["python"] == sys.executable
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used"\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    if gone:
        wrapper.unlink()
    facts.write_text(json.dumps({**document, "python": str(wrapper)}), encoding="utf-8")
    with Model("tiny", store) as model:
        model.predict(sample())
    assert (tmp_path / "used").exists() is not gone
