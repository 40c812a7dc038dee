"""The verb `run`: inferences on the device, real values or raw input in, real values out; nobody quantizes by hand."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.dataset import keys, open_dataset
from edgeq.device.device import INVOKE_BYTES, Device, Progress, silent
from edgeq.errors import UsageError
from edgeq.interface import Array, Interface
from edgeq.preprocess import PreprocessError, Raw, parse
from edgeq.preprocess.audio import at_rate
from edgeq.preprocess.fill import check_fills
from edgeq.quantize.samples import match

REQUEST_S = 1.0
PROGRESS_S = 2.0
ARRAYS = (".npy", ".npz")


def infer(
    device: Device, inputs: Sequence[Array] | Sequence[Raw], *, raw: bool = False, progress: Progress = silent
) -> list[Array]:
    """One inference per sample on the serving release.

    `inputs` are one array (n, ...) for each input of the model, or raw inputs, which the release's own preprocessing
    takes on the device. The result is one array (n, ...) for each output: float32, or with `raw` the model's own
    integers (then `inputs` must have the model's dtypes too).
    """
    interface = device.interface()
    raws = None if raw else _raws(inputs, interface)
    if raws is not None:
        outputs = _invoke_raws(device, raws, interface, progress)
    else:
        columns = _columns(_stacked(inputs, device, interface), interface, raw)
        outputs = _invoke(device, columns, len(columns[0]), progress)
    results, at = [], 0
    for tensor in interface.outputs:
        piece = np.ascontiguousarray(outputs[:, at : at + tensor.size_bytes])
        at += tensor.size_bytes
        values = piece.view(np.dtype(tensor.dtype).newbyteorder("<")).reshape(len(outputs), *tensor.shape[1:])
        results.append(values if raw else tensor.dequantize(values))
    return results


def _raws(inputs: Sequence[Array] | Sequence[Raw], interface: Interface) -> list[Raw] | None:
    """Raw inputs for a release that preprocesses; None where these are the model's own inputs.

    In arrays, int16 samples are audio at the rate that the steps expect, and uint8 pixels an image.
    """
    preprocess = interface.preprocess or {}
    if "steps" not in preprocess:
        return None
    if len(inputs) != 1 or isinstance(inputs[0], Raw):
        return [item for item in inputs if isinstance(item, Raw)] or None
    array = inputs[0]
    kinds = {"audio": (np.int16, 1), "image": (np.uint8, 3)}
    dtype, axes = kinds.get(str(preprocess["input"]), (array.dtype, max(1, array.ndim - 1)))
    if array.dtype != dtype or array.ndim not in (axes, axes + 1):
        return None
    if not np.isfinite(array).all():
        raise UsageError("The input has values that are not finite (NaN or infinity).", "Clean the data first.")
    rate_hz = int(preprocess.get("rate_hz", 0))
    return [Raw(item, rate_hz) for item in (array if array.ndim > axes else array[None])]


def _stacked(inputs: Sequence[Array] | Sequence[Raw], device: Device, interface: Interface) -> list[Array]:
    """The model's own inputs; raw ones that no step takes are its values as they are."""
    arrays = [item.array for item in inputs if isinstance(item, Raw)]
    if not arrays:
        return [item for item in inputs if not isinstance(item, Raw)]
    wanted = [extent for extent in interface.inputs[0].shape if extent != 1]
    odd = next((array for array in arrays if [extent for extent in array.shape if extent != 1] != wanted), None)
    if odd is not None:
        raise UsageError(
            f"The input has the shape {list(odd.shape)}; the model wants {list(interface.inputs[0].shape[1:])}, and "
            f"the release on {device.address} has no preprocessing.",
            "Add [preprocess] to edgeq.toml, build and deploy again; or give an .npy file of the model's own input.",
        )
    return [np.stack(arrays)]


def _columns(inputs: Sequence[Array], interface: Interface, raw: bool) -> list[Array]:
    """The model's integers for each input, (n, ...)."""
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
    if any(len(column) != len(columns[0]) for column in columns):
        raise UsageError("The inputs have different numbers of samples.", "Give each input as many samples.")
    return columns


def _invoke_raws(device: Device, raws: Sequence[Raw], interface: Interface, progress: Progress) -> Array:
    """Raw outputs as bytes, one row a sample."""
    rows, told = [], time.monotonic()
    _check_fill(raws, interface)
    rate_hz = device.heard_rate_hz()
    raws = [at_rate(item, rate_hz) for item in raws]
    for done, item in enumerate(raws):
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            progress(f"{done} of {len(raws)} inputs")
        rows.append(np.frombuffer(device.invoke_raw(item), np.uint8))
    return np.stack(rows)


def _check_fill(raws: Sequence[Raw], interface: Interface) -> None:
    """`UsageError` where the steps make something else of a raw input than the model takes."""
    steps = parse(interface.preprocess or {})
    for item in raws:
        try:
            check_fills(steps, item, interface.inputs[0].shape)
        except PreprocessError as error:
            raise UsageError(error.message, error.hint) from error


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


@dataclass(frozen=True)
class Inputs:
    """What `infer` takes; `names` are those of raw inputs for people, empty for arrays. `keys` are those of arrays in
    one .npz file, else empty."""

    values: list[Array] | list[Raw]
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def ordered(self, interface: Interface) -> list[Array] | list[Raw]:
        """The values in the order of the model's inputs: by name where the keys are the model's, as in a build."""
        if len(self.keys) < 2:
            return self.values
        arrays = [value for value in self.values if not isinstance(value, Raw)]
        return [arrays[place] for place in match(self.keys, len(arrays), interface.inputs)]


def read_inputs(paths: Sequence[Path]) -> Inputs:
    """One array per input of the model, from one .npy each or from one .npz that holds `x` or all of them in order; or
    raw inputs, from whatever else `edgeq.dataset` opens: wav files, images, folders of them, tables."""
    if not paths:
        raise UsageError("No input was given.", "Give --input x.npy, clip.wav or photo.png.")
    if any(path.suffix not in ARRAYS for path in paths):
        raws = [each for path in paths for each in _read_raws(path)]
        return Inputs([raw for raw, _ in raws], tuple(name for _, name in raws))
    arrays: list[Array] = []
    read: list[str] = []
    for path in paths:
        try:
            found = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(f"'{path}' cannot be read: {error}.", "Give an .npy or .npz file of numbers.") from error
        if isinstance(found, np.ndarray):
            arrays.append(found)
        else:
            with found:
                wanted = _samples(found.files)
                arrays += [found[key] for key in wanted]
                read += wanted
    return Inputs(arrays, keys=tuple(read) if len(paths) == 1 else ())


def _samples(names: Sequence[str]) -> list[str]:
    """The arrays of an .npz that are inputs: the one with a usual name, else all that are no labels and the like."""
    usual = keys.first(keys.SAMPLE_KEYS, names)
    special = {*keys.LABEL_KEYS, *keys.RATE_KEYS, *keys.CLASS_KEYS}
    return [usual] if usual else [name for name in names if name not in special] or list(names)


def _read_raws(path: Path) -> Iterator[tuple[Raw, str]]:
    """Every sample and its name."""
    found = open_dataset(path)
    for index in range(len(found)):
        for raw in found.read(index):
            yield raw, found.name(index)


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
