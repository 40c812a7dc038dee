"""Samples for a model: one array for each of its inputs, read one sample at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError

Array = NDArray[Any]


class InputLike(Protocol):
    """A model's input: what `TensorInfo` and `Tensor` have in common."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...


@dataclass(frozen=True)
class Samples:
    """`read(index)` gives the arrays of one sample, without a batch dimension, in the order of `names`; `names` are
    empty or ("x",) where nobody named them. `title(index)` is for people."""

    names: tuple[str, ...]
    count: int
    read: Callable[[int], Sequence[Array]]
    title: Callable[[int], str] = lambda index: f"sample {index}"

    def __len__(self) -> int:
        return self.count

    def choose(self, places: Sequence[int]) -> Samples:
        """Those at `places`, in that order."""
        return Samples(
            self.names, len(places), lambda index: self.read(places[index]), lambda index: self.title(places[index])
        )


def chained(parts: Sequence[Samples]) -> Samples:
    """Sets of one size as one set, in their order."""
    size = len(parts[0])
    return Samples(
        parts[0].names,
        size * len(parts),
        lambda index: parts[index // size].read(index % size),
        lambda index: parts[index // size].title(index % size),
    )


Given = Samples | Array | Mapping[str, Array] | Sequence[Array]


def as_samples(given: Given) -> Samples:
    """Samples from one array (n, ...), or from one for each input, by name or in order. `UsageError` without any."""
    if isinstance(given, Samples):
        samples = given
    else:
        arrays = [given] if isinstance(given, np.ndarray) else given
        names = tuple(arrays) if isinstance(arrays, Mapping) else ()
        values = [np.asarray(value) for value in (arrays.values() if isinstance(arrays, Mapping) else arrays)]
        counts = sorted({len(value) if value.ndim else 0 for value in values})
        if len(counts) > 1:
            raise UsageError(
                f"The inputs have {' and '.join(map(str, counts))} samples.", "Give the same number for every input."
            )
        samples = Samples(names, counts[0] if counts else 0, lambda index: [value[index] for value in values])
    if not len(samples):
        raise UsageError("The data holds no samples.", "Give at least one sample, better a hundred.")
    return samples


def match(names: Sequence[str], count: int, inputs: Sequence[InputLike]) -> tuple[int, ...]:
    """For each of the model's inputs the place of its array among the `count` of a sample: by name where the names are
    the model's, else in order. `UsageError` where they are neither."""
    wanted = [plain(tensor.name) for tensor in inputs]
    told = ", ".join(f"'{name}'" for name in wanted)
    if count != len(inputs):
        raise UsageError(
            f"The model has {len(inputs)} input{'s' * (len(inputs) != 1)} ({told}); a sample of the data has "
            f"{count} array{'s' * (count != 1)}.",
            f"Give one array for each input, by name: np.savez('data.npz', {', '.join(f'{n}=...' for n in wanted)}).",
        )
    given = [plain(name) for name in names]
    if sorted(given) == sorted(wanted) and len(set(given)) == len(given):
        return tuple(given.index(name) for name in wanted)
    if len(inputs) > 1 and set(given) & set(wanted):
        missing = [name for name in wanted if name not in given]
        raise UsageError(
            f"The data has no array for the model's input '{missing[0]}' (it has {', '.join(given)}).",
            f"Name the arrays {told}.",
        )
    return tuple(range(count))


def plain(name: str) -> str:
    """An input's name as people know it: TensorFlow writes `serving_default_image:0` for `image`."""
    return name.removeprefix("serving_default_").partition(":")[0]


def fit(value: Array, tensor: InputLike, title: str = "the data") -> Array:
    """One sample as (1, *tensor.shape[1:]); axes of size one may differ. `UsageError` where it has another shape."""
    want = tensor.shape[1:]
    if [size for size in value.shape if size != 1] != [size for size in want if size != 1]:
        raise UsageError(
            f"The model's input '{tensor.name}' wants samples of shape {list(want)}; {title} has {list(value.shape)}.",
            _colours(value.shape, want)
            or f"Give an array of shape [n{''.join(f', {size}' for size in want)}], "
            "or steps of [preprocess] that end in it.",
        )
    return value.reshape(1, *want)


def each(samples: Samples, inputs: Sequence[InputLike]) -> Iterator[list[Array]]:
    """Every sample, as one array with batch dimension for each of the model's inputs, in their order."""
    for index in range(len(samples)):
        values = samples.read(index)
        places = match(samples.names, len(values), inputs)
        yield [
            fit(np.asarray(values[place]), tensor, samples.title(index))
            for place, tensor in zip(places, inputs, strict=True)
        ]


def store(samples: Samples, folder: Path) -> None:
    """Write `samples` into `folder` one by one, for `stored`. `UsageError` names a sample that is not finite, is not of
    numbers or has another shape than the first."""
    files: list[Array] = []
    for index in range(len(samples)):
        values = [np.asarray(value) for value in samples.read(index)]
        if not files:
            for place, value in enumerate(values):
                _numbers(value, samples.title(index))
                path = folder / f"samples-{place}.npy"
                files.append(np.lib.format.open_memmap(path, "w+", value.dtype, (len(samples), *value.shape)))
        for file, value in zip(files, values, strict=True):
            _check(value, file, samples, index)
            file[index] = value
    for file in files:
        file.flush()  # type: ignore[attr-defined]


def stored(folder: Path, names: Sequence[str]) -> Samples:
    """The samples that `store` wrote, mapped and not read."""
    paths = sorted(folder.glob("samples-*.npy"), key=lambda path: int(path.stem.partition("-")[2]))
    arrays = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    return Samples(tuple(names), len(arrays[0]) if arrays else 0, lambda index: [array[index] for array in arrays])


def _check(value: Array, file: Array, samples: Samples, index: int) -> None:
    title = samples.title(index)
    _numbers(value, title)
    if value.shape != file.shape[1:]:
        raise UsageError(
            f"{sentence(title)} has shape {list(value.shape)}; the first has {list(file.shape[1:])}.",
            _colours(value.shape, file.shape[1:]) or "Give samples of one shape.",
        )
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise UsageError(
            f"{sentence(title)} has values that are not finite (NaN or infinity).",
            "Clean the data first: one such value spoils the whole calibration.",
        )


def _numbers(value: Array, title: str) -> None:
    if value.dtype.kind not in "fiub":
        raise UsageError(f"{sentence(title)} is of type {value.dtype}, not numbers.", "Save real or whole numbers.")


def _colours(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What to do where grey and coloured pictures meet; empty where that is not it."""
    if len(shape) != 3 or shape[:2] != wanted[:2] or {shape[2], wanted[-1]} != {1, 3}:
        return ""
    order = "gray" if wanted[-1] == 1 else "rgb"
    step = f'{{ do = "colour", order = "{order}" }}'
    return f"Put {step} into the steps of [preprocess]: it takes grey and coloured pictures."


def sentence(title: str) -> str:
    """`title` as it begins a sentence; the name of a file stays as it is."""
    return title[:1].upper() + title[1:] if title.startswith(("sample ", "line ", "the ")) else title
