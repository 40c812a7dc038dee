"""Samples and labels from `.npz` and `.npy` files, all in memory: goes when nothing calls it any more."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.source import MOST_SAMPLES
from edgeq.errors import UsageError

Array = NDArray[Any]

SAMPLE_KEYS = ("x", "X", "images", "data", "features", "inputs")
LABEL_KEYS = ("y", "Y", "labels", "targets")


@dataclass(frozen=True)
class Dataset:
    """`x` holds real values (n, ...) of any number type; `y`, where given, n labels: class numbers or one-hot rows.

    `sha256` is that of the content (types, shapes, values), so saving the file anew does not change it.
    """

    x: Array
    y: Array | None
    sha256: str
    path: Path

    def __len__(self) -> int:
        return len(self.x)

    def classes(self) -> NDArray[np.int64]:
        """The labels as class numbers; `UsageError` where there are none or they are something else."""
        if self.y is None:
            raise UsageError(f"'{self.path}' has no labels.", f"Save them beside the samples as '{LABEL_KEYS[0]}'.")
        rows = self.y.reshape(len(self.y), -1)
        if rows.shape[1] > 1:
            if not ((rows == 0) | (rows == 1)).all() or not (rows.sum(axis=1) == 1).all():
                raise self._not_classes()
            return np.asarray(rows.argmax(axis=1), np.int64)
        flat = rows[:, 0]
        if flat.dtype.kind not in "iufb" or not (flat.astype(np.int64) == flat).all() or flat.min() < 0:
            raise self._not_classes()
        return np.asarray(flat, np.int64)

    def _not_classes(self) -> UsageError:
        return UsageError(
            f"The labels of '{self.path}' are neither class numbers (0, 1, ...) nor one-hot rows.",
            "Save them as numbers.",
        )


def read_dataset(path: Path) -> Dataset:
    """Read and check one file; a `UsageError` says what is wrong with it."""
    if not path.is_file():
        raise UsageError(f"The data file '{path}' does not exist.", "Give an .npz or .npy file.")
    if path.suffix not in (".npz", ".npy"):
        raise UsageError(
            f"The data file '{path}' is of no kind that edgeq reads ({path.suffix or 'no suffix'}).",
            "Save the samples with numpy: np.savez('data.npz', x=samples, y=labels).",
        )
    x, y = _load(path)
    _check(path, x, y)
    return Dataset(x, y, _digest(x, y), path)


def subsample(x: Array, count: int | None, seed: int = 0) -> Array:
    """`count` of the samples (all, up to `MOST_SAMPLES`, where None), drawn without repetition, in their order."""
    if count is not None and count < 1:
        raise UsageError(
            f"{count} samples cannot be used for calibration.", "Ask for one or more; 100 to 500 are usual."
        )
    size = min(MOST_SAMPLES if count is None else count, len(x))
    if size == len(x):
        return x
    chosen: Array = x[np.sort(np.random.default_rng(seed).choice(len(x), size, replace=False))]
    return chosen


def fit_samples(x: Array, name: str, shape: tuple[int, ...]) -> Array:
    """`x` as (n, *shape[1:]), where `shape` is that of the model's input `name`; axes of size one may differ."""
    want = shape[1:]
    same = [size for size in x.shape[1:] if size != 1] == [size for size in want if size != 1]
    if not same:
        raise UsageError(
            f"The model's input '{name}' wants samples of shape {list(want)}; the data has {list(x.shape[1:])}.",
            f"Give an array of shape [n{''.join(f', {size}' for size in want)}].",
        )
    return x.reshape(len(x), *want)


def _load(path: Path) -> tuple[Array, Array | None]:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return (loaded, None) if isinstance(loaded, np.ndarray) else _choose(path, loaded)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"The data file '{path}' cannot be read: {reason}",
            "Save plain number arrays with numpy: np.savez('data.npz', x=samples, y=labels).",
        ) from error


def _choose(path: Path, arrays: Mapping[str, Array]) -> tuple[Array, Array | None]:
    keys = list(arrays)
    samples = next((key for key in SAMPLE_KEYS if key in keys), keys[0] if len(keys) == 1 else None)
    if samples is None:
        raise UsageError(
            f"'{path}' holds the arrays {', '.join(keys) or 'none'}; none of them is named '{SAMPLE_KEYS[0]}'.",
            f"Name the samples one of {', '.join(SAMPLE_KEYS)} and the labels one of {', '.join(LABEL_KEYS)}.",
        )
    labels = next((key for key in LABEL_KEYS if key in keys), None)
    return arrays[samples], None if labels is None else arrays[labels]


def _check(path: Path, x: Array, y: Array | None) -> None:
    if x.ndim == 0 or not x.size:
        raise UsageError(f"The data file '{path}' holds no samples.", "Give at least one sample, better a hundred.")
    if x.dtype.kind not in "fiub":
        raise UsageError(f"The samples of '{path}' are of type {x.dtype}, not numbers.", "Save real or whole numbers.")
    bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1)) if x.dtype.kind == "f" else np.empty(0)
    if bad.size:
        raise UsageError(
            f"The data file '{path}' has values that are not finite (NaN or infinity), first in sample {bad[0]}.",
            "Clean the data first: one such value spoils the whole calibration.",
        )
    if y is not None and (y.ndim == 0 or len(y) != len(x)):
        raise UsageError(f"'{path}' has {len(x)} samples and {y.size} labels.", "Give one label for every sample.")


def _digest(x: Array, y: Array | None) -> str:
    digest = hashlib.sha256()
    for array in (x,) if y is None else (x, y):
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str} {little.shape}\n".encode())
        digest.update(little.data if little.ndim else little.tobytes())
    return digest.hexdigest()
