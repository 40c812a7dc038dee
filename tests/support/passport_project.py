"""A small project with everything in its passport: built once a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tinymodel
from once import once

from edgeq.build import build
from edgeq.building.materials import Declared
from edgeq.bundle import Bundle
from edgeq.target import load_target
from edgeq.waiver import Waiver

ABOUT = {"owner": "Ada | Co", "intended_use": "Tells <shapes> apart.", "license": "CC-BY-4.0", "ethics": "None known."}


def write_inputs(folder: Path) -> None:
    """The inputs of a project: a float model, calibration data, a labelled set, labels."""
    (folder / "tiny.tflite").write_bytes(tinymodel.converted().float_model)
    values = tinymodel.samples(60)
    np.savez(folder / "data.npz", x=values[:40], y=np.arange(40) % 3)
    np.savez(folder / "eval.npz", x=values[40:], y=np.arange(20) % 3)
    (folder / "recipe.toml").write_text('mode = "static_wi8_ai8"\n', encoding="utf-8")
    (folder / "labels.txt").write_text("circle\nsquare\nstar\n", encoding="utf-8")


def build_there(folder: Path, **changes: Any) -> Bundle:
    """The bundle of the inputs in `folder`, in its `out`."""
    declared = Declared(
        labels=folder / "labels.txt",
        threshold=0.25,
        waivers=(Waiver("other-runtime", "Ada", "measured on the board"), Waiver("data", "Bo", "seen")),
        about=ABOUT,
        recipe_file=folder / "recipe.toml",
    )
    arguments = {
        "data": folder / "data.npz",
        "eval_data": folder / "eval.npz",
        "declared": declared,
        "samples": 30,
        "folder": folder,
    }
    (built,) = build(
        folder / "tiny.tflite",
        [load_target("rpi-zero-2-w-32")],
        out=folder / "out",
        **{**arguments, **changes},
    )
    return built.bundle


def _write(folder: Path) -> None:
    write_inputs(folder)
    bundle = build_there(folder)
    assert bundle.folder == folder / "out" / "tiny-rpi-zero-2-w-32"


def project_folder() -> Path:
    """A folder with inputs and the bundle in `out`; nobody writes to it."""
    return once("passport-project", _write)
