"""The conversion worker: `python -m edgeq.quantize.worker FOLDER FD`, started by `edgeq.quantize.convert`.

FOLDER holds `job.json` (model, io) and `samples.npy`; results are `float.tflite` and `model.tflite`, or `error.json`
(kind, message, hint). One line per stage goes to the pipe FD. TensorFlow prints and crashes here, and nowhere else.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgeq.errors import ConvertError, EdgeqError

Progress = Callable[[str], None]


def main(folder: Path, status: int) -> int:
    """Do the job in `folder`; exit code 0, or 1 where `error.json` says what went wrong."""
    # Importing TensorFlow makes millions of objects that all stay: looking for garbage among them is wasted CPU.
    gc.disable()
    try:
        _convert(folder, lambda stage: _tell(status, stage))
    except Exception as error:
        traceback.print_exc()
        (folder / "error.json").write_text(json.dumps(_describe(error)), encoding="utf-8")
        return 1
    return 0


def _convert(folder: Path, progress: Progress) -> None:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    progress("loading TensorFlow")
    from edgeq.model import tf

    tf.tensorflow()
    float_model = _float_model(Path(job["model"]), progress)
    (folder / "float.tflite").write_bytes(float_model)
    samples = _samples(folder, float_model)
    progress(f"quantizing to int8, calibrated on {len(samples)} samples")
    (folder / "model.tflite").write_bytes(tf.int8_tflite(float_model, samples, job["io"]))


def _float_model(path: Path, progress: Progress) -> bytes:
    if path.suffix == ".tflite":
        return path.read_bytes()
    from edgeq.model.tf import float_tflite

    progress("loading the model")
    if path.is_dir():
        from edgeq.model.saved_model import read_saved_model

        frozen = read_saved_model(path)
    else:
        from edgeq.model.keras import read_keras

        frozen = read_keras(path)
    progress("converting to float .tflite")
    return float_tflite(frozen)


def _samples(folder: Path, float_model: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """The calibration samples as (n, 1, ...), in the shape of the model's one input."""
    from edgeq.dataset import fit_samples
    from edgeq.model.tflite import read_model

    inputs = read_model(float_model).inputs
    if len(inputs) != 1:
        names = ", ".join(f"'{tensor.name}'" for tensor in inputs)
        raise ConvertError(
            f"The model has {len(inputs)} inputs ({names}); this version of edgeq builds models with one input.",
            "Merge the inputs into one, for example with Concatenate behind one Input layer.",
        )
    if inputs[0].dtype != "float32":
        raise ConvertError(
            f"The model's input '{inputs[0].name}' is {inputs[0].dtype}; edgeq quantizes models with a float32 input.",
            "Save the model before it was quantized, with a float32 input.",
        )
    fitted = fit_samples(np.load(folder / "samples.npy", allow_pickle=False), inputs[0].name, inputs[0].shape)
    return fitted[:, None]


def _describe(error: Exception) -> dict[str, str]:
    if isinstance(error, EdgeqError):
        return {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
    unknown = sorted(set(re.findall(r"'([\w.]+)' op is neither a custom op nor a flex op", str(error))))
    if unknown:
        message = f"The model uses {', '.join(unknown)}, which .tflite has no operator for."
        return {"kind": "ConvertError", "message": message, "hint": "Replace the layer that uses it."}
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    plain = [line for line in lines if not line.endswith(":")]
    reason = next((line for line in plain if "error:" in line.lower()), plain[0] if plain else type(error).__name__)
    return {"kind": "ConvertError", "message": f"TensorFlow cannot convert the model: {reason[:300]}", "hint": ""}


def _tell(status: int, stage: str) -> None:
    os.write(status, f"{stage}\n".encode())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
