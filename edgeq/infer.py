"""The verb `run`: inferences on the device, real values in and out; the interface does the quantizing."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.device.device import INVOKE_BYTES, Device, Progress, silent
from edgeq.errors import UsageError
from edgeq.interface import Array

REQUEST_S = 1.0
PROGRESS_S = 2.0


def infer(device: Device, inputs: Sequence[Array], *, raw: bool = False, progress: Progress = silent) -> list[Array]:
    """One inference per sample of `inputs` (one array (n, ...) for each input of the model) on the serving release.

    The result is one array (n, ...) for each output: float32, or with `raw` the model's own integers (then `inputs`
    must have the model's dtypes too).
    """
    interface = device.interface()
    if len(inputs) != len(interface.inputs):
        names = ", ".join(tensor.name for tensor in interface.inputs)
        raise UsageError(f"The model has {len(interface.inputs)} inputs ({names}); {len(inputs)} were given.")
    columns = []
    for tensor, data in zip(interface.inputs, inputs, strict=True):
        samples = tensor.samples(data)
        if raw and samples.dtype != tensor.dtype:
            raise UsageError(
                f"With --raw the input '{tensor.name}' must be {tensor.dtype}; the data is {samples.dtype}.",
                "Leave --raw out to give real values.",
            )
        columns.append(samples if raw else tensor.quantize(samples))
    count = len(columns[0])
    if any(len(column) != count for column in columns):
        raise UsageError("The inputs have different numbers of samples.", "Give each input as many samples.")
    outputs = _invoke(device, columns, count, progress)
    results, at = [], 0
    for tensor in interface.outputs:
        piece = np.ascontiguousarray(outputs[:, at : at + tensor.size_bytes])
        at += tensor.size_bytes
        values = piece.view(np.dtype(tensor.dtype).newbyteorder("<")).reshape(count, *tensor.shape[1:])
        results.append(values if raw else tensor.dequantize(values))
    return results


def _invoke(device: Device, columns: list[Array], count: int, progress: Progress) -> Array:
    """Raw outputs as bytes, one row a sample; as many samples at once as fit a request."""
    rows = np.concatenate([np.ascontiguousarray(column).reshape(count, -1).view(np.uint8) for column in columns], 1)
    most = max(1, INVOKE_BYTES // rows.shape[1])
    answers, done, batch, told = [], 0, 1, time.monotonic()
    while done < count:
        start = time.monotonic()
        part = rows[done : done + batch]
        answers.append(np.frombuffer(device.invoke(part.tobytes()), np.uint8).reshape(len(part), -1))
        done += len(part)
        # The first sample shows how many fit into the time of one request; its start-up makes that a low guess.
        batch = int(np.clip(REQUEST_S * len(part) / (time.monotonic() - start), batch, min(4 * batch, most)))
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            progress(f"{done} of {count} samples")
    return np.concatenate(answers)


def read_inputs(paths: Sequence[Path]) -> list[Array]:
    """One array per input of the model: from one .npy each, or from one .npz that holds `x` or all of them in order."""
    if not paths:
        raise UsageError("No input was given.", "Give --input x.npy, one sample per row.")
    arrays: list[Array] = []
    for path in paths:
        try:
            found = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(f"'{path}' cannot be read: {error}.", "Give an .npy or .npz file of numbers.") from error
        if isinstance(found, np.ndarray):
            arrays.append(found)
        else:
            with found:
                arrays += [found[key] for key in (["x"] if "x" in found.files else found.files)]
    return arrays


def write_outputs(path: Path, outputs: Sequence[Array]) -> None:
    """One output to .npy; several, or a path that ends in .npz, to .npz as `output_0`, `output_1`, ..."""
    try:
        if path.suffix == ".npz" or len(outputs) > 1:
            arrays: dict[str, Any] = {f"output_{index}": value for index, value in enumerate(outputs)}
            np.savez(path, **arrays)
        else:
            np.save(path, outputs[0])
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.", "Give another --output.") from error
