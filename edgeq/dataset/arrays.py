"""Samples from `.npy` and `.npz`: kind `tensor`, or `audio` where the file says a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from edgeq.dataset import keys, labels
from edgeq.dataset.labels import Labels
from edgeq.dataset.npy import Header, Member, Rows, open_npy, open_npz
from edgeq.dataset.options import Options, Progress
from edgeq.dataset.source import Array
from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw

MOST_RATE_HZ = 1_000_000


class Named(Protocol):
    """An array that has a name; its values are fetched by `rows`."""

    @property
    def header(self) -> Header: ...

    def rows(self, progress: Progress) -> Rows: ...


@dataclass(frozen=True)
class ArraySource:
    """Arrays (n, ...), one per input."""

    inputs: tuple[str, ...]
    arrays: tuple[Rows, ...]
    found: Labels
    rate_hz: int = 0
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "audio" if self.rate_hz else "tensor"

    def __len__(self) -> int:
        return len(self.arrays[0])

    def read(self, index: int) -> tuple[Raw, ...]:
        return tuple(Raw(rows.read(index, index + 1)[0], self.rate_hz) for rows in self.arrays)

    def name(self, index: int) -> str:
        return f"sample {index}"


def open_arrays(path: Path, options: Options) -> ArraySource:
    """One `.npy` (samples without labels) or `.npz` (samples, labels and more, by name)."""
    if path.suffix.lower() == ".npy":
        rows = open_npy(path)
        _check(str(path), "", rows)
        return ArraySource(("x",), (rows,), labels.NONE)
    return open_members(str(path), _named(open_npz(path), options), options)


def _named(members: Mapping[str, Member], options: Options) -> Mapping[str, Named]:
    """np.savez(path, x, y) names nothing: two arrays of which the second has one value for each sample are x and y."""
    if sorted(members) != ["arr_0", "arr_1"] or len(options.inputs) > 1 or len(members["arr_1"].header.shape) != 1:
        return members
    return {"x": members["arr_0"], "y": members["arr_1"]}


def open_members(path: str, members: Mapping[str, Named], options: Options) -> ArraySource:
    """The samples among arrays that have names; `path` is the name of all."""
    chosen, inputs = _choose(path, members, options)
    arrays = tuple(members[key].rows(options.progress) for key in chosen)
    for key, rows in zip(chosen, arrays, strict=True):
        _check(path, key, rows)
    count = len(arrays[0])
    uneven = next((key for key, rows in zip(chosen, arrays, strict=True) if len(rows) != count), None)
    if uneven:
        raise UsageError(
            f"'{path}' has {count} samples in '{chosen[0]}' and {members[uneven].header.shape[0]} in '{uneven}'.",
            "Give every input as many samples; of several sets keep one: np.savez('train.npz', x=x_train, y=y_train).",
        )
    rate_hz = _rate(path, members, options)
    if rate_hz and (len(arrays) > 1 or arrays[0].dtype != np.int16 or len(arrays[0].shape) != 2):
        raise UsageError(
            f"'{path}' gives a rate, and its samples are not clips: one array of type int16 and shape [n, length].",
            "Save the clips as int16, or leave the rate out where they are no audio.",
        )
    own = _classes(members, options)
    found = _labels(path, members, count, own, options)
    turned = found.numbers is not None and own and own != found.classes
    note = f"'{path}' has the classes {_told(own)}: its labels were brought into the order that was given."
    found = replace(found, columns=_columns(path, members, count, options))
    return ArraySource(inputs, arrays, found, rate_hz, (note,) if turned else ())


def _columns(path: str, members: Mapping[str, Named], count: int, options: Options) -> dict[str, tuple[str, ...]]:
    """Those wanted columns that are arrays (n,) of numbers or texts."""
    found = {}
    for name in (name for name in options.columns if name in members):
        if members[name].header.shape != (count,):
            raise UsageError(
                f"'{name}' of '{path}' has shape {list(members[name].header.shape)}; a column has one entry for each "
                f"of the {count} samples.",
                "Save an array of numbers or texts of that length.",
            )
        values = members[name].rows(options.progress).whole()
        found[name] = tuple(
            item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in values
        )
    return found


def _told(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:5]) + ", ..." * (len(classes) > 5)


def _choose(path: str, members: Mapping[str, Named], options: Options) -> tuple[tuple[str, ...], tuple[str, ...]]:
    special = {*keys.LABEL_KEYS, *keys.RATE_KEYS, *keys.CLASS_KEYS, *options.columns} - set(options.inputs)
    named = [key for key in members if key not in special]
    numbers = [key for key in named if members[key].header.dtype.kind in "fiub"]
    # A lone array of something else is chosen, so that the check says what it is.
    return keys.choose_inputs(options.inputs, numbers or named or _as_samples(list(members)), path)


def _as_samples(members: list[str]) -> list[str]:
    """Where only one array is there at all, it holds the samples, whatever its name."""
    return members if len(members) == 1 else []


def _check(path: str, key: str, rows: Rows) -> None:
    what = f"'{key}' of '{path}'" if key else f"'{path}'"
    if not rows.shape or 0 in rows.shape:
        raise UsageError(f"{what} holds no samples.", "Give at least one sample, better a hundred.")
    if rows.dtype.kind not in "fiub":
        raise UsageError(f"The samples of {what} are of type {rows.dtype}, not numbers.", "Save real or whole numbers.")


def _rate(path: str, members: Mapping[str, Named], options: Options) -> int:
    key = keys.first(keys.RATE_KEYS, list(members))
    if key is None:
        return 0
    value = _whole(members[key], options)
    if value is None or value.size != 1 or value.dtype.kind not in "iuf" or not 1 <= value.flat[0] <= MOST_RATE_HZ:
        raise UsageError(f"'{key}' of '{path}' is no rate in Hz.", "Save one number, such as 16000.")
    return int(value.flat[0])


def _labels(path: str, members: Mapping[str, Named], count: int, own: tuple[str, ...], options: Options) -> Labels:
    """Numbers count in `own`, the names that the data has itself; they are given as `options.classes` count."""
    key = keys.first(keys.LABEL_KEYS, [name for name in members if name not in options.inputs])
    if key is None:
        return labels.NONE
    header = members[key].header
    if not header.shape or header.shape[0] != count:
        raise UsageError(
            f"'{path}' has {count} samples and {header.shape[0] if header.shape else 1} labels.",
            "Give one label for every sample.",
        )
    rows = members[key].rows(options.progress)
    if header.dtype.kind in "US" and len(header.shape) == 1:
        texts = labels.LabelReader(options.classes or own, path)
        for part in rows.all():
            for text in part:
                texts.add(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
        return texts.finish()
    parts = [labels.from_numbers(part, (), path) for part in rows.all()]
    unknown = next((part for part in parts if part.numbers is None), None)
    if unknown:
        return replace(unknown, targets=rows.whole) if header.dtype.kind in "iufb" else unknown
    numbers = np.concatenate([part.numbers for part in parts if part.numbers is not None])
    return labels.renumbered(labels.known(numbers, own or options.classes, path), options.classes, path)


def _classes(members: Mapping[str, Named], options: Options) -> tuple[str, ...]:
    key = keys.first(keys.CLASS_KEYS, list(members))
    value = _whole(members[key], options) if key else None
    if value is None or value.dtype.kind not in "US":
        return ()
    return tuple(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in value.flat)


def _whole(member: Named, options: Options) -> Array | None:
    """All of a small array; None where it is not small."""
    if member.header.nbytes > 1 << 20:
        return None
    return member.rows(options.progress).whole()
