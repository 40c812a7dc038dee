"""Converts a model to int8 in a worker process, so that whatever TensorFlow prints or breaks stays there."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.model.schema import FLOATS
from edgeq.model.tflite import read_model
from edgeq.quantize.process import Progress, run_worker, work_folder

SUFFIXES = (".keras", ".h5", ".hdf5", ".tflite")
IO_TYPES = ("int8", "float32")
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Converted:
    """The bytes of both `.tflite` models; `float_model` is empty where the given one was quantized already."""

    float_model: bytes
    model: bytes


def quantized_already(model: Path) -> bytes | None:
    """The bytes of a `.tflite` file that holds integers throughout, or at most float inputs and outputs; else None.

    `ArtifactError` for a damaged file.
    """
    if model.suffix != ".tflite" or not model.is_file():
        return None
    data = model.read_bytes()
    info = read_model(data)
    inside = {tensor.dtype for tensor in info.subgraphs[0].tensors if tensor not in (*info.inputs, *info.outputs)}
    integers = any(tensor.scales for tensor in info.subgraphs[0].tensors)
    return data if integers and not inside & FLOATS else None


def convert(
    model: Path,
    samples: NDArray[Any],
    *,
    io: str = "int8",
    timeout_s: float = TIMEOUT_S,
    progress: Progress = lambda _: None,
) -> Converted:
    """Model file or SavedModel folder -> float `.tflite` -> int8 `.tflite`, calibrated on `samples` (n, ...).

    `UsageError` for what the caller can correct, `ConvertError` in one sentence for what went wrong in the worker.
    """
    _check(model, io)
    with work_folder("The conversion") as folder:
        np.save(folder / "samples.npy", samples, allow_pickle=False)
        (folder / "job.json").write_text(json.dumps({"model": str(model.resolve()), "io": io}), encoding="utf-8")
        run_worker("edgeq.quantize.worker", folder, "The conversion", progress, timeout_s, _crash_hint)
        return Converted((folder / "float.tflite").read_bytes(), (folder / "model.tflite").read_bytes())


def _check(model: Path, io: str) -> None:
    if io not in IO_TYPES:
        raise UsageError(f"Inputs and outputs cannot be '{io}'.", f"Use one of {', '.join(IO_TYPES)}.")
    if not model.exists():
        raise UsageError(f"The model '{model}' does not exist.", "Give a .keras or .h5 file, or a SavedModel folder.")
    saved = model.is_dir() and any((model / f"saved_model.{suffix}").is_file() for suffix in ("pb", "pbtxt"))
    if not saved and (model.is_dir() or model.suffix not in SUFFIXES):
        what = "is not a SavedModel folder" if model.is_dir() else f"is of no kind that edgeq reads ({model.suffix})"
        raise UsageError(
            f"The model '{model}' {what}.", f"Give a file ending in {', '.join(SUFFIXES)}, or a SavedModel."
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise UsageError("Converting a model needs TensorFlow, which is not installed.", "pip install 'edgeq[convert]'")


def _crash_hint(folder: Path) -> str:
    path = folder / "float.tflite"
    if path.is_file() and "WHILE" in read_model(path.read_bytes()).op_counts():
        return "The model has a loop, as LSTM and GRU layers make it: give the layer unroll=True, or use another."
    return "Some layers crash TensorFlow's quantizer: replace them one by one."
