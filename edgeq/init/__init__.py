"""The verb `init`: a project to start from - a small CNN trained on scikit-learn's digits, its data, its labels."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgeq.errors import UsageError
from edgeq.interface import Array
from edgeq.project import FILE, Project, read_project
from edgeq.quantize.process import run_worker, work_folder

TRAINING_TIMEOUT_S = 600.0
CALIBRATION_SAMPLES = 200
TRAINING_SAMPLES = 1200

PROJECT = """\
# An edgeq project: every command takes from here what its arguments leave out.

[project]
name = "digits"
model = "digits.keras"
data = "calibration.npz"     # representative samples
eval = "evaluation.npz"      # labelled samples that were not trained on
labels = "labels.txt"
targets = ["rpi4"]
device = "pi"                # where deploy, run, bench and rollback go

[devices.pi]
address = "qemu:rpi4"        # an emulated Raspberry Pi 4; a real one is ssh://pi@raspberrypi
target = "rpi4"

[devices.board]
address = "qemu:mps2-an386"  # an emulated Cortex-M4; 'edgeq firmware build -t mps2-an386' makes its firmware
target = "mps2-an386"

[devices.here]
address = "local:"
target = "linux-x86_64"
"""


def init_project(folder: Path, progress: Callable[[str], None] = lambda _: None) -> Project:
    """Train the model and write the project into `folder`, which must be new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"'{folder}' is not an empty folder.", "Name a new one.")
    for package, extra in (("tensorflow", "convert"), ("sklearn", "demo")):
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                f"A project to start from needs {package}, which is not installed.", f"pip install 'edgeq[{extra}]'"
            )
    with work_folder("The training") as work:
        images, classes = _digits()
        np.savez(work / "training.npz", x=images[:TRAINING_SAMPLES], y=classes[:TRAINING_SAMPLES])
        run_worker("edgeq.init.worker", work, "The training", progress, TRAINING_TIMEOUT_S)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "digits.keras").write_bytes((work / "digits.keras").read_bytes())
    np.savez(folder / "calibration.npz", x=images[:CALIBRATION_SAMPLES])
    np.savez(folder / "evaluation.npz", x=images[TRAINING_SAMPLES:], y=classes[TRAINING_SAMPLES:])
    (folder / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)), encoding="utf-8")
    (folder / FILE).write_text(PROJECT, encoding="utf-8")
    return read_project(folder / FILE)


def _digits() -> tuple[Array, Array]:
    """1,797 images of handwritten digits as (n, 8, 8, 1) float32, 0..16, and their classes (n,), shuffled once."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return data.images[order][..., None].astype(np.float32), data.target[order].astype(np.int64)
