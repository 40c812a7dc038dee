"""Converts a model to `.tflite` in a worker process, so that whatever TensorFlow prints or breaks stays there."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq import runtime
from edgeq.errors import UsageError
from edgeq.model.constants import check_finite
from edgeq.model.front_end import TFLITE, front_end
from edgeq.model.norms import Norm
from edgeq.model.tflite import read_model
from edgeq.quantize.detect import Detected, detect_mode
from edgeq.quantize.float_model import check_float
from edgeq.quantize.process import Progress, run_worker, work_folder
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import Given, as_samples, store
from edgeq.quantize.sandbox import Sandbox
from edgeq.quantize.verify import check_mode

TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Converted:
    """The bytes of both `.tflite` models; `float_model` is empty where the given one was quantized already. `norm` is
    what the first batch norm of a Keras model says of the data that it was trained on."""

    float_model: bytes
    model: bytes
    norm: Norm | None = None


@dataclass(frozen=True)
class Variants:
    """The bytes of the float `.tflite` and of one model for each recipe; `norm` as `Converted` has it."""

    float_model: bytes
    models: Mapping[Recipe, bytes]
    norm: Norm | None = None


def given_mode(model: Path) -> tuple[bytes, Detected | None] | None:
    """The bytes of a `.tflite` file that is quantized already, in whatever way, with its mode (None: several in one);
    None for a float model and for anything that is no `.tflite`.

    `ArtifactError` for a damaged file, `ConvertError` for one whose weights are no numbers.
    """
    if model.suffix.lower() != ".tflite" or not model.is_file() or front_end(model) != TFLITE:
        return None
    data = model.read_bytes()
    info = read_model(data)
    found = detect_mode(info)
    if found is not None and found.mode == "float32":
        return None
    check_finite(data, info)
    return data, found


def convert(
    model: Path,
    samples: Given | None,
    *,
    io: str = "auto",
    recipe: Recipe | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Progress = lambda _: None,
) -> Converted:
    """`convert_all` for one recipe: int8 with inputs and outputs of type `io` where none is given."""
    wanted = recipe or Recipe(io=io)
    variants = convert_all(model, samples, [wanted], timeout_s=timeout_s, progress=progress)
    return Converted(variants.float_model, variants.models[wanted], variants.norm)


def convert_all(
    model: Path,
    samples: Given | None,
    recipes: Sequence[Recipe],
    *,
    timeout_s: float = TIMEOUT_S,
    progress: Progress = lambda _: None,
) -> Variants:
    """Model file or SavedModel folder -> float `.tflite` -> one model for each recipe, in one run of the worker.

    `samples` (see `as_samples`) calibrate the static modes; the others need none. Every model is held to its recipe,
    and the runtime of this machine must take it.
    `UsageError` for what the caller can correct, `ArtifactError` for a file that is not what it should be,
    `ConvertError` in one sentence for what went wrong in the worker.
    """
    kind, distinct = front_end(model), tuple(dict.fromkeys(recipes))
    if kind == TFLITE:
        check_float(model.read_bytes())
    else:
        _check_tensorflow()
    with work_folder("The conversion") as folder:
        names = _store(samples, distinct, folder)
        job = {
            "model": str(model.resolve()),
            "kind": kind,
            "names": names,
            "recipes": [recipe.to_json() for recipe in distinct],
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        run_worker("edgeq.quantize.worker", folder, "The conversion", progress, timeout_s, _crash_hint)
        models = {recipe: (folder / f"model-{index}.tflite").read_bytes() for index, recipe in enumerate(distinct)}
        float_model = (folder / "float.tflite").read_bytes()
        told = folder / "norm.json"
        norm = Norm.from_json(json.loads(told.read_text(encoding="utf-8"))) if told.is_file() else None
    progress("checking what was made")
    for recipe, data in models.items():
        check_mode(read_model(data), recipe)
        if runtime.available() is not None:
            # The reference kernels: XNNPACK refuses a few models that every other runtime takes.
            Sandbox(data, "reference").close()
    return Variants(float_model, models, norm)


def _store(samples: Given | None, recipes: Sequence[Recipe], folder: Path) -> list[str]:
    """Write the samples where the worker finds them, if a recipe needs any; the names of their arrays."""
    needing = [recipe.mode for recipe in recipes if recipe.needs_samples and recipe.trained is None]
    if not needing:
        return []
    if samples is None:
        raise UsageError(
            f"The mode {needing[0]} needs representative data, and none was given.",
            "Give --data, or choose a mode that needs none: --mode dynamic_wi8_afp32, float16 or float32.",
        )
    checked = as_samples(samples)
    store(checked, folder)
    return list(checked.names)


def _check_tensorflow() -> None:
    if importlib.util.find_spec("tensorflow") is None:
        raise UsageError("Converting a model needs TensorFlow, which is not installed.", "pip install 'edgeq[convert]'")


def _crash_hint(folder: Path) -> str:
    path = folder / "float.tflite"
    if path.is_file() and "WHILE" in read_model(path.read_bytes()).op_counts():
        return (
            "The model has a loop, as LSTM and GRU layers make it: give the layer unroll=True, use another, or choose "
            "a mode without calibration (dynamic_wi8_afp32, float16)."
        )
    return "Some layers crash TensorFlow's quantizer: replace them one by one."
