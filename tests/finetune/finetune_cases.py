"""The models that the tests train and take over, and samples for them."""

from __future__ import annotations

import functools
from pathlib import Path

import floatgraphs
import numpy as np
from once import once

from edgeq.finetune.finetune import finetune
from edgeq.finetune.settings import Settings
from edgeq.quantize.outputs import Runner
from edgeq.quantize.samples import as_samples

FOUR = Settings(bits=4, epochs=4, batch=16)


@functools.cache
def made() -> Path:
    """The folder of `floatgraphs.make`."""
    return once("qat-networks", floatgraphs.make)


def float_model() -> bytes:
    """A network that is trained in a second: `plain.keras` as a float `.tflite`."""
    return (made() / "plain.tflite").read_bytes()


def write_samples(path: Path, count: int) -> None:
    """Samples for `float_model`; as `.npz` with what it says itself as their labels."""
    x = np.random.default_rng(3).normal(size=(count, 8, 8, 4)).astype(np.float32)
    if path.suffix == ".npy":
        np.save(path, x)
    else:
        np.savez(path, x=x, y=Runner(float_model()).answers(as_samples(x)).argmax(axis=1))


@functools.cache
def finetuned() -> Path:
    """The folder that a training of `plain.keras` with `FOUR` leaves; its samples are `x.npy` beside it."""
    return once("qat-first", _train) / "out"


def _train(folder: Path) -> None:
    write_samples(folder / "x.npy", 240)
    finetune(made() / "plain.keras", folder / "x.npy", folder / "out", settings=FOUR)
