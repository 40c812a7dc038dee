"""A set of samples, read one at a time, whatever it is kept in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.labels import Labels
from edgeq.dataset.options import Progress, Ticker, silent
from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw

Array = NDArray[Any]
Numbers = NDArray[np.int64]

MOST_SAMPLES = 500
"""How many calibration samples are used where nothing else was asked for: more no longer changes the ranges."""
_PART = 1 << 18


class Source(Protocol):
    """What one format gives; each is one file of this package and one row of `formats.FORMATS`.

    Where an error is raised, it is a `UsageError` that names the file and the sample.
    """

    @property
    def kind(self) -> str:
        """`tensor` (what the model sees before quantization, or features), `image` or `audio`."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the arrays of a sample; ("x",) where there is one."""

    @property
    def found(self) -> Labels:
        """The labels, and the names of the classes; or why there are none."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that people should read: what was skipped, what looks odd."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> tuple[Raw, ...]:
        """One Raw per entry of `inputs`."""

    def name(self, index: int) -> str:
        """For people: the file, "line 18" of a table, or "sample 17"."""


@dataclass(frozen=True)
class Dataset:
    """A source, checked as it is read. `spec` is what the user gave."""

    source: Source
    spec: str

    def __len__(self) -> int:
        return len(self.source)

    @property
    def kind(self) -> str:
        """`tensor`, `image` or `audio`."""
        return self.source.kind

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the arrays of a sample; ("x",) where there is one."""
        return self.source.inputs

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes in label order, where the data has them."""
        return self.source.found.classes

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that people should read: what was skipped, what looks odd."""
        return self.source.notes

    @property
    def labels(self) -> Numbers | None:
        """The class number of every sample; None where there are none."""
        return self.source.found.numbers

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Texts beside the samples by name, of those that were asked for and that the data has itself."""
        return self.source.found.columns

    @cached_property
    def targets(self) -> Array | None:
        """Labels that are no classes: numbers (n, ...), masks (n, h, w); None where there are none."""
        return self.source.found.targets() if self.source.found.targets else None

    def require_targets(self) -> Array:
        """The same, or class numbers, as numbers that are finite; `UsageError` says why there are none."""
        found = self.require_labels() if self.targets is None else self.targets
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise UsageError(
                f"'{self.spec}' has labels that are not finite (NaN or infinity).", "Clean the data first."
            )
        return found

    def require_labels(self) -> Numbers:
        """The class number of every sample; `UsageError` says why there are none."""
        if self.labels is None:
            raise UsageError(
                f"'{self.spec}' {self.source.found.why}.",
                "docs/data.md says where each kind of data has its labels.",
            )
        return self.labels

    def name(self, index: int) -> str:
        """For people: the file, or "sample 17"."""
        return self.source.name(index)

    def read(self, index: int) -> tuple[Raw, ...]:
        """One Raw per entry of `inputs`; `UsageError` where one has no numbers, or one that is not finite."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        raws = self.source.read(index)
        for name, raw in zip(self.inputs, raws, strict=True):
            self._check(index, raw.array, f" in '{name}'" if len(raws) > 1 else "")
        return raws

    def choose(self, count: int | None = None, seed: int = 0) -> Numbers:
        """The indices of `count` samples (up to `MOST_SAMPLES` where None), sorted, without repetition.

        Where there are labels every class gives as many, as far as it has them. The same seed draws the same samples.
        """
        if count is not None and count < 1:
            raise UsageError(f"{count} samples cannot be used.", "Ask for one or more; 100 to 500 are usual.")
        size = min(MOST_SAMPLES if count is None else count, len(self))
        if size == len(self):
            return np.arange(size, dtype=np.int64)
        draw = np.random.default_rng(seed)
        if self.labels is None:
            return np.sort(draw.choice(len(self), size, replace=False)).astype(np.int64)
        return _balanced(self.labels, size, draw)

    def digest(self, indices: Numbers | None = None, progress: Progress = silent) -> str:
        """SHA-256 of the content of these samples (all where None): types, shapes, rates, values, labels.

        The samples are read one by one. Saving the same content in another file does not change it.
        """
        digest, wanted = hashlib.sha256(), range(len(self)) if indices is None else indices
        ticker = Ticker(progress, f"reading '{self.spec}'", len(wanted))
        for done, index in enumerate(map(int, wanted), 1):
            digest.update(f"sample{self._label(index)}\n".encode())
            for raw in self.read(index):
                little = np.ascontiguousarray(raw.array, raw.array.dtype.newbyteorder("<"))
                digest.update(f"{little.dtype.str} {raw.array.shape} {raw.rate_hz}\n".encode())
                digest.update(little.tobytes())
            ticker.tell(done)
        return digest.hexdigest()

    def _label(self, index: int) -> str:
        """For the digest."""
        if self.labels is not None:
            return f" {self.labels[index]}"
        read = self.source.found.target
        if read is not None:
            values = np.asarray(read(index), np.float64)
        elif self.targets is not None:
            values = np.asarray(self.targets[index], np.float64)
        else:
            return ""
        return f" {values.shape} {hashlib.sha256(values.astype('<f8').tobytes()).hexdigest()}"

    def _check(self, index: int, array: Array, where: str) -> None:
        if array.dtype.kind not in "fiub":
            raise UsageError(
                f"{self._told(index)} is of type {array.dtype}{where}, not numbers.", "Save real or whole numbers."
            )
        if not array.size:
            raise UsageError(f"{self._told(index)} holds no values{where}.", "Remove it, or give it its values.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UsageError(
                f"{self._told(index)} has values that are not finite (NaN or infinity){where}.",
                "Clean the data first: one such value spoils the whole calibration.",
            )

    def _told(self, index: int) -> str:
        name = self.name(index)
        counted = name.startswith(("sample ", "line "))  # the name of a file stays as it is
        return f"{name.capitalize() if counted else name} of '{self.spec}'"


def _balanced(labels: Numbers, size: int, draw: np.random.Generator) -> Numbers:
    """`size` indices, as many of each class as of any other unless a class has no more.

    Of every class the places among its own samples are drawn, then found in passes over parts of the labels.
    """
    counts: dict[int, int] = {}
    for part in range(0, len(labels), _PART):
        for number, count in zip(*np.unique(labels[part : part + _PART], return_counts=True), strict=True):
            counts[int(number)] = counts.get(int(number), 0) + int(count)
    numbers = sorted(counts)
    takes = _quotas(np.array([counts[number] for number in numbers], np.int64), size, draw)
    places = {
        number: draw.choice(counts[number], take, replace=False) for number, take in zip(numbers, takes, strict=True)
    }
    chosen = [part + _found(labels[part : part + _PART], places) for part in range(0, len(labels), _PART)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _found(labels: Numbers, places: dict[int, Numbers]) -> Numbers:
    """Where the wanted ones are among `labels`; `places` then count from behind these."""
    order = np.argsort(labels, kind="stable")
    found = []
    for number, first, count in zip(*np.unique(labels[order], return_index=True, return_counts=True), strict=True):
        wanted = places[int(number)]
        found.append(order[first + wanted[(wanted >= 0) & (wanted < count)]])
        places[int(number)] = wanted - count
    return np.concatenate(found)


def _quotas(counts: Numbers, size: int, draw: np.random.Generator) -> Numbers:
    """How many of each class; what cannot be shared evenly goes to classes that are drawn."""
    takes = np.zeros_like(counts)
    while (left := size - int(takes.sum())) > 0:
        able = np.flatnonzero(takes < counts)
        if left < len(able):
            takes[draw.choice(able, left, replace=False)] += 1
        else:
            takes[able] += np.minimum(counts[able] - takes[able], left // len(able))
    return takes
