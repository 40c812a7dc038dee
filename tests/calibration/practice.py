"""A small model and its data, made once a run, and what the checks say of any samples, without a worker process."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from once import once

import edgeq
from edgeq.calibration import checks
from edgeq.calibration.evidence import Evidence
from edgeq.calibration.scan import scan
from edgeq.calibration.watch import unpacked, watch
from edgeq.dataset import open_dataset
from edgeq.finding import Finding
from edgeq.preprocess import Preprocess
from edgeq.quantize.samples import Samples
from edgeq.quantize.task import Job

SIDE = 16
COLOURS = ((220, 40, 40), (40, 40, 220), (40, 200, 60))
CLASSES = 6

_SCRIPT = """
import sys
import keras, numpy as np
from keras import layers as L
keras.utils.set_random_seed(3)
name, normalized, epochs = sys.argv[1], sys.argv[2] == "yes", int(sys.argv[3])
with np.load(name + ".npz") as data:
    images, labels = data["x"].astype("float32"), data["y"]
x = keras.Input(images.shape[1:], name="image")
y = x
for filters, stride in ((8, 1), (16, 2), (24, 2)):
    y = L.Conv2D(filters, 3, strides=stride, padding="same", use_bias=not normalized)(y)
    y = L.ReLU()(L.BatchNormalization(momentum=0.8)(y) if normalized else y)
y = L.Concatenate()([L.GlobalAveragePooling2D()(y), L.GlobalMaxPooling2D()(y)]) if normalized else L.Flatten()(y)
model = keras.Model(x, L.Dense(int(labels.max()) + 1, activation="softmax", name="class")(y))
optimizer = keras.optimizers.Adam(0.01 if normalized else 0.003)
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(images, labels, epochs=epochs, batch_size=32, verbose=0)
assert history.history["accuracy"][-1] > 0.9, history.history
model.save(name + ".keras")

from pathlib import Path
from edgeq.model.keras import freeze_model, load
from edgeq.model.tf import float_tflite
Path(name + ".tflite").write_bytes(float_tflite(freeze_model(load(Path(name + ".keras")))))
"""


@dataclass(frozen=True)
class Case:
    """Calibration samples and an evaluation set, with labels or without."""

    x: NDArray[Any]
    y: NDArray[np.int64] | None
    x_eval: NDArray[Any] | None = None
    y_eval: NDArray[np.int64] | None = None


def pictures(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Bars of three colours on a sloping background, lying and standing: (n, 16, 16, 3) in 0..255, and 6 classes."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    images, labels = [], np.arange(count) % CLASSES
    for label in labels:
        slope = draw.uniform(-40, 40, (2, 3))
        image = draw.uniform(60, 140, 3) + rows[..., None] * slope[0] + columns[..., None] * slope[1]
        at, thick = draw.integers(2, SIDE - 4), draw.integers(2, 4)
        bar = np.asarray(COLOURS[label // 2]) + draw.normal(0, 12, 3)
        if label % 2:
            image[:, at : at + thick] = bar
        else:
            image[at : at + thick, : SIDE // 2 + 2] = bar  # it ends: neither turned nor exchanged it is the same
        images.append(image + draw.normal(0, 6, image.shape))
    order = draw.permutation(count)
    return np.clip(np.array(images), 0, 255).round().astype(np.float32)[order], labels[order]


def train(folder: Path, name: str, x: NDArray[Any], y: NDArray[Any], normalized: bool, epochs: int) -> None:
    """Leave `<name>.keras` and `<name>.tflite` in `folder`."""
    np.savez(folder / f"{name}.npz", x=x, y=y)
    quiet = {
        **os.environ,
        "PYTHONPATH": str(Path(edgeq.__file__).parents[1]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT, name, "yes" if normalized else "no", str(epochs)]
    done = subprocess.run(command, cwd=folder, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def _bars(folder: Path) -> None:
    train(folder, "bars", *pictures(900, 1), normalized=True, epochs=8)


@functools.cache
def bars() -> Path:
    """The float `.tflite` of a classifier of `pictures`, with batch norms, trained on 0..255."""
    return once("calibration-bars", _bars) / "bars.tflite"


def bars_case(count: int = 96) -> Case:
    """Samples that it has not seen."""
    return Case(*pictures(count, 2), *pictures(96, 3))


def save(path: Path, x: NDArray[Any], y: NDArray[Any] | None, **more: Any) -> Path:
    """As `.npz`."""
    np.savez(path, x=x, **({} if y is None else {"y": y}), **more)
    return path


def look(case: Case, model: Path | None, folder: Path, preprocess: Preprocess | None = None, **more: Any) -> Evidence:
    """What is known of the samples and the float model, from this process."""
    data = open_dataset(save(folder / "calibration.npz", case.x, case.y, **more))
    facts, samples = scan(data, preprocess, data.choose().tolist(), print)
    evidence, others = Evidence(facts), None
    if case.x_eval is not None:
        other = open_dataset(save(folder / "evaluation.npz", case.x_eval, case.y_eval, **more))
        evaluation, others = scan(other, preprocess, other.choose().tolist(), print)
        evidence = replace(evidence, evaluation=evaluation)
    if model is None:
        return evidence
    values = [samples.read(index) for index in range(len(samples))]
    values += [others.read(index) for index in range(len(others))] if others else []
    labels = None if facts.labels is None else facts.labels.tolist()
    options = {"calibration": len(samples), "labels": labels}
    job = Job(model.read_bytes(), Samples(samples.names, len(values), values.__getitem__), options, folder, print)
    found = unpacked(json.loads(json.dumps(watch(job))))
    return replace(evidence, model=found, class_count=found.classes)


def findings(
    case: Case, model: Path | None, folder: Path, preprocess: Preprocess | None = None, **more: Any
) -> dict[str, Finding]:
    """What the checks say, by code."""
    return {finding.code: finding for finding in checks.run(look(case, model, folder, preprocess, **more))}


def loud(found: dict[str, Finding]) -> dict[str, Finding]:
    """Those that are no mere information."""
    return {code: finding for code, finding in found.items() if finding.severity != "info"}
