"""One preprocessing for all: wav files give the same labels on this machine, an emulated Pi and a microcontroller."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from edgeq import emulate
from edgeq.build import build
from edgeq.building.materials import Declared
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.emulate.boards import boards
from edgeq.infer import infer, read_inputs
from edgeq.interface import Array
from edgeq.preprocess import parse
from edgeq.target import load_target

CLIPS = 6
"""Of each word one; all 150 were run once by hand (docs/preprocess.md)."""
ADDRESSES = {"linux-x86_64": "local:", "rpi4": "qemu:rpi4", "mps2-an386": "qemu:mps2-an386"}
KWS = {
    "input": "audio",
    "rate_hz": 16000,
    "steps": [
        {"do": "pad", "samples": 16000},
        {"do": "peak", "of": "max"},
        {"do": "frame", "length": 480, "step": 320},
        {"do": "window", "shape": "hann"},
        {"do": "spectrum", "fft": 512, "of": "magnitude"},
        {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000},
        {"do": "log", "offset": 1e-6},
        {"do": "mfcc", "count": 10},
    ],
}


def written(shared_models: Path, folder: Path) -> Path:
    """A folder of wav files, one word a folder."""
    with np.load(shared_models / "kws01_audio_i16.npz") as data:
        clips, words = data["x"], data["y"]
    for word in range(CLIPS):
        (folder / f"{word:02}").mkdir(parents=True)
        with wave.open(str(folder / f"{word:02}" / "clip.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(clips[np.flatnonzero(words == word)[0]].astype("<i2").tobytes())
    return folder


@pytest.mark.emulated
@pytest.mark.slow
def test_clips_give_the_same_labels_everywhere(
    shared_models: Path, tmp_path: Path, lent_home: Path, firmware_board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not any(recipe.ok for recipe in emulate.probe("rpi4")) or not boards()["mps2-an386"].installed:
        pytest.skip("this machine emulates no Pi or no microcontroller")
    monkeypatch.setenv("EDGEQ_FIRMWARE", str(firmware_board))
    clips = written(shared_models, tmp_path / "clips")
    built = build(
        shared_models / "kws_mlperf_int8.tflite",
        [load_target(name) for name in ADDRESSES],
        data=clips,
        declared=Declared(preprocess=parse(KWS)),
        out=tmp_path,
    )
    found: dict[str, Array] = {}
    try:
        for item in built:
            with open_device(ADDRESSES[item.bundle.target]) as device:
                deploy(item.bundle, device, allow_interface_change=True)
                (scores,) = infer(device, read_inputs([clips]).values)
                found[item.bundle.target] = scores.reshape(CLIPS, -1)
    finally:
        emulate.stop("rpi4")
        emulate.stop("mps2-an386")
    labels = {name: scores.argmax(axis=1).tolist() for name, scores in found.items()}
    assert labels["rpi4"] == labels["mps2-an386"] == labels["linux-x86_64"]
    assert len(set(labels["rpi4"])) > CLIPS // 2
    here = found["linux-x86_64"]
    assert np.abs(found["rpi4"] - here).max() <= 2 / 256
    assert np.abs(found["mps2-an386"] - here).max() <= 0.1
