"""The conversion worker: `python -m edgeq.quantize.worker FOLDER FD`, started by `edgeq.quantize.convert`.

FOLDER holds `job.json` (model, kind, recipes, names) and `samples-<i>.npy`; results are `float.tflite`,
`model-<i>.tflite` for each recipe, and `norm.json` where the model has a first batch norm; or `error.json` (kind,
message, hint). One line per stage goes to the pipe FD.
TensorFlow prints and crashes here, and nowhere else.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError, EdgeqError
from edgeq.model.info import ModelInfo
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.pipeline import Prepared, finish_exactly, prepare
from edgeq.quantize.engine.writer import check_overrides
from edgeq.quantize.float_model import check_float
from edgeq.quantize.per_tensor import per_tensor
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import Samples, each, stored
from edgeq.quantize.served import described, serve, tell
from edgeq.quantize.source import float_source
from edgeq.quantize.verify import check_mode

if TYPE_CHECKING:
    from edgeq.model.tf import Quantizer

Progress = Callable[[str], None]

FALLBACK = ("static_wi8_ai8", "static_wi8_ai16")
"""Modes that TensorFlow's quantizer has."""


def main(folder: Path, status: int) -> int:
    """Do the job in `folder`; exit code 0, or 1 where `error.json` says what went wrong."""
    # Importing TensorFlow makes millions of objects that all stay: looking for garbage among them is wasted CPU.
    gc.disable()
    return serve(folder, lambda: _convert(folder, lambda stage: tell(status, stage)), _describe)


def _convert(folder: Path, progress: Progress) -> None:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    recipes = [Recipe.from_json(item) for item in job["recipes"]]
    source = float_source(Path(job["model"]), job["kind"], progress)
    float_model = source.model
    info = check_float(float_model)
    for recipe in recipes:
        check_overrides(info, recipe)
    (folder / "float.tflite").write_bytes(float_model)
    if source.norm is not None:
        (folder / "norm.json").write_text(json.dumps(source.norm.to_json()), encoding="utf-8")
    samples = stored(folder, job["names"])
    fallback = _Fallback(float_model, lambda: _feed(samples, info), progress)
    engine = _Engine(float_model, samples, progress)
    for index, recipe in enumerate(recipes):
        progress(_stage(recipe, len(samples)))
        model = engine.write(recipe) or fallback.write(recipe, info)
        (folder / f"model-{index}.tflite").write_bytes(model)


def _stage(recipe: Recipe, samples: int) -> str:
    how = f", calibrated on {samples} samples" if recipe.needs_samples and samples else ""
    how = ", with trained ranges" if recipe.trained else how
    per_tensor = " per tensor" * (recipe.granularity == "tensor")
    overrides = f" with {len(recipe.overrides)} override{'s' * (len(recipe.overrides) > 1)}" if recipe.overrides else ""
    return f"quantizing to {recipe.mode}{per_tensor}{overrides}{how}"


class _Engine:
    """Our own engine; recipes that differ in nothing but types share one look at the samples."""

    def __init__(self, model: bytes, samples: Samples, progress: Progress) -> None:
        self._model, self._samples, self._progress = model, samples, progress
        self._prepared: dict[Any, Prepared] = {}

    def write(self, recipe: Recipe) -> bytes | None:
        """The model; None where TensorFlow's quantizer has to try."""
        key = (recipe.ranges, recipe.needs_samples, recipe.trained, recipe if recipe.repairs else None)
        try:
            if key not in self._prepared:
                self._prepared[key] = prepare(self._model, self._samples, recipe, self._progress)
            made = finish_exactly(self._prepared[key], recipe)
            check_mode(read_model(made), recipe)
        except ConvertError:
            if recipe.plain and recipe.mode in FALLBACK and importlib.util.find_spec("tensorflow"):
                return None
            raise
        return made


class _Fallback:
    """TensorFlow's own quantizer, for operators that ours leaves as floats."""

    def __init__(self, model: bytes, feed: Callable[[], Iterator[list[NDArray[Any]]]], progress: Progress) -> None:
        self._model, self._feed, self._progress = model, feed, progress
        self._quantizer: Quantizer | None = None

    def write(self, recipe: Recipe, info: ModelInfo) -> bytes:
        """The model by a plain recipe of one of the modes in `FALLBACK`."""
        from edgeq.model import tf

        _check_wide(recipe, info)
        if self._quantizer is None:
            self._progress("loading TensorFlow, whose quantizer knows more operators")
            tf.tensorflow()
            self._quantizer = tf.Quantizer(self._model, self._feed)
            self._progress(_stage(recipe, 0))
        per_channel = recipe.granularity == "channel"
        if recipe.mode == "static_wi8_ai8":
            return self._quantizer.int8(per_channel=per_channel, io=recipe.io_type)
        wide = self._quantizer.int16(recipe.io_type)
        return wide if per_channel else per_tensor(wide, self._model)


def _check_wide(recipe: Recipe, model: ModelInfo) -> None:
    """TensorFlow's 16-bit quantizer wants a range for every input, and an index has none."""
    whole = [tensor for tensor in model.inputs if tensor.dtype != "float32"]
    if whole and recipe.mode == "static_wi8_ai16":
        raise ConvertError(
            f"The mode static_wi8_ai16 takes models with float32 inputs only; the input '{whole[0].name}' is "
            f"{whole[0].dtype}.",
            "Use static_wi8_ai8, or a mode without calibration.",
        )


def _feed(samples: Samples, model: ModelInfo) -> Iterator[list[NDArray[Any]]]:
    """Every sample as the calibrator wants it."""
    for values in each(samples, model.inputs):
        yield [np.ascontiguousarray(value, tensor.dtype) for value, tensor in zip(values, model.inputs, strict=True)]


def _describe(error: Exception) -> dict[str, str]:
    if isinstance(error, EdgeqError):
        return described(error)
    unknown = sorted(set(re.findall(r"'([\w.]+)' op is neither a custom op nor a flex op", str(error))))
    if unknown:
        message = f"The model uses {', '.join(unknown)}, which .tflite has no operator for."
        return {"kind": "ConvertError", "message": message, "hint": "Replace the layer that uses it."}
    no_form = re.search(r"Quantization to 16x8-bit not yet supported for op: '(\w+)'", str(error))
    if no_form:
        message = f"The operator {no_form[1]} has no form with 16-bit activations."
        return {"kind": "ConvertError", "message": message, "hint": "Use static_wi8_ai8, or replace the layer."}
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    plain = [line for line in lines if not line.endswith(":")]
    reason = next((line for line in plain if "error:" in line.lower()), plain[0] if plain else type(error).__name__)
    return {"kind": "ConvertError", "message": f"TensorFlow cannot convert the model: {reason[:300]}", "hint": ""}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
