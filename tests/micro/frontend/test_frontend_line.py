"""A microphone of 44.1 kHz: the microcontroller resamples, and hears the words that this machine hears."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgeq import emulate
from edgeq.build import build
from edgeq.building.materials import Declared
from edgeq.cli import app
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.emulate.boards import boards
from edgeq.infer import infer, read_inputs
from edgeq.interface import Array
from edgeq.preprocess import Raw, parse
from edgeq.preprocess.audio import at_rate
from edgeq.target import load_target

WORDS, RATE_HZ = 5, 44_100
BOARD = "mps2-an386"
ADDRESSES = {"linux-x86_64": "local:", BOARD: f"qemu:{BOARD}"}
CHAIN = {
    "input": "audio",
    "rate_hz": RATE_HZ,
    "steps": [
        {"do": "resample", "rate_hz": 16_000}, {"do": "pad", "samples": 16_000}, {"do": "peak", "of": "max"},
        {"do": "frame", "length": 480, "step": 320}, {"do": "window"}, {"do": "spectrum", "fft": 512},
        {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000}, {"do": "log"}, {"do": "mfcc", "count": 10},
    ],
}  # fmt: skip


def written(shared_models: Path, folder: Path) -> Path:
    """A clip of each word as the microphone gives it, one word a folder."""
    with np.load(shared_models / "kws01_audio_i16.npz") as data:
        clips, words = data["x"], data["y"]
    for word in range(WORDS):
        (folder / f"{word:02}").mkdir(parents=True)
        heard = at_rate(Raw(clips[np.flatnonzero(words == word)[0]], 16_000), RATE_HZ)
        with wave.open(str(folder / f"{word:02}" / "clip.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(heard.array.astype("<i2").tobytes())
    return folder


@pytest.mark.emulated
@pytest.mark.slow
def test_a_board_resamples_and_gives_the_same_labels(
    shared_models: Path, tmp_path: Path, lent_home: Path, firmware_board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not boards()[BOARD].installed:
        pytest.skip("this machine emulates no microcontroller")
    monkeypatch.setenv("EDGEQ_FIRMWARE", str(firmware_board))
    clips = written(shared_models, tmp_path / "clips")
    built = build(
        shared_models / "kws_mlperf_int8.tflite",
        [load_target(name) for name in ADDRESSES],
        data=clips,
        declared=Declared(preprocess=parse(CHAIN)),
        out=tmp_path,
    )
    scores: dict[str, Array] = {}
    told: dict[str, int] = {}
    try:
        for item in built:
            address = ADDRESSES[item.bundle.target]
            with open_device(address) as device:
                deploy(item.bundle, device, allow_interface_change=True)
                (y,) = infer(device, read_inputs([clips]).values)
                scores[item.bundle.target] = y.reshape(WORDS, -1)
            ran = CliRunner().invoke(app, ["run", address, "--input", str(clips / "03" / "clip.wav"), "--json"])
            assert ran.exit_code == 0, ran.output
            told[address] = int(np.argmax(json.loads(ran.stdout)["values"][0]))
    finally:
        emulate.stop(BOARD)
    assert set(told.values()) == {int(scores["linux-x86_64"][3].argmax())}
    labels = {name: each.argmax(axis=1).tolist() for name, each in scores.items()}
    assert labels[BOARD] == labels["linux-x86_64"]
    assert len(set(labels[BOARD])) > WORDS // 2
