"""Reads a set once and keeps what the checks need; a sample that cannot be read is a fact, no error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.calibration.evidence import SetFacts
from edgeq.calibration.prints import fingerprint, smoothness
from edgeq.dataset import Dataset
from edgeq.dataset.options import Ticker
from edgeq.errors import UsageError
from edgeq.preprocess import Preprocess, Raw
from edgeq.quantize.prepare import model_input, prepared
from edgeq.quantize.samples import Samples

FEW = 64
_FEW_VALUES = 1 << 21
_KEPT_BYTES = 1 << 28
_FULL_SCALE = 32767
Array = NDArray[Any]


def scan(
    data: Dataset, preprocess: Preprocess | None, places: Sequence[int], progress: Callable[[str], None]
) -> tuple[SetFacts, Samples]:
    """The facts of the samples at `places`, and those that could be read, as the model's inputs."""
    record = _Record(data, max(1, len(places) // FEW))
    ticker = Ticker(progress, f"reading '{data.spec}'", len(places))
    for done, place in enumerate(map(int, places), 1):
        title = f"{data.name(place)} of '{data.spec}'"
        try:
            raws = data.read(place)
            record.add(place, raws, [model_input(raw, preprocess, title) for raw in raws], title)
        except UsageError as error:
            record.broken.append(error.message)
        ticker.tell(done)
    return record.finish(), record.samples(preprocess)


class _Record:
    """One set, as its samples come by."""

    def __init__(self, data: Dataset, step: int) -> None:
        self._data, self._step = data, step
        self.broken: list[str] = []
        self._places: list[int] = []
        self._digests: list[str] = []
        self._prints: list[NDArray[np.float32]] = []
        self._figures: list[tuple[float, ...]] = []
        self._few: list[Array] = []
        self._few_raw: list[Array] = []
        self._kept: list[list[Array]] | None = []
        self._bytes = 0
        self._shapes: list[tuple[int, ...]] | None = None
        self._whole = True
        self._dtype, self._kind = "", data.kind

    def add(self, place: int, raws: Sequence[Raw], values: list[Array], title: str) -> None:
        """`UsageError` where it is no sample like the others."""
        shapes = [value.shape for value in values]
        if self._shapes is None:
            self._shapes = shapes
            self._dtype = str(raws[0].array.dtype)
        if shapes != self._shapes:
            raise UsageError(f"{title} has shape {list(shapes[0])}; the first has {list(self._shapes[0])}.")
        seen = np.asarray(values[0], np.float32)
        if not np.isfinite(seen).all():
            raise UsageError(f"{title} becomes NaN or infinite in the steps of [preprocess].")
        spread = seen.min(), seen.max(), seen.mean(dtype=np.float64), seen.std(dtype=np.float64)
        self._figures.append((*map(float, spread), *_heard(raws[0]), smoothness(seen)))
        self._prints.append(fingerprint(seen))
        self._digests.append(_digest(raws))
        self._whole = self._whole and bool((seen == np.rint(seen)).all())
        if len(self._places) % self._step == 0 and len(self._few) < FEW:
            room = max(1, _FEW_VALUES // FEW)
            self._few.append(_part(seen, room))
            self._few_raw.append(_part(np.asarray(raws[0].array), room))
        self._places.append(place)
        self._keep(values)

    def _keep(self, values: list[Array]) -> None:
        if self._kept is None:
            return
        self._bytes += sum(value.nbytes for value in values)
        self._kept.append(values)
        if self._bytes > _KEPT_BYTES:
            self._kept = None

    def samples(self, preprocess: Preprocess | None) -> Samples:
        """Those that could be read; from memory, or read again where they are many."""
        again = prepared(self._data, preprocess, self._places)
        kept = self._kept
        if kept is None:
            return again
        return Samples(again.names, len(kept), lambda index: kept[index], again.title)

    def finish(self) -> SetFacts:
        """All of it."""
        data = self._data
        labels = data.labels
        counts = None
        if labels is not None:
            numbers, found = np.unique(np.asarray(labels), return_counts=True)
            counts = {int(number): int(count) for number, count in zip(numbers, found, strict=True)}
        columns = np.array(self._figures, np.float32).reshape(-1, 7).T
        return SetFacts(
            data.spec,
            len(data),
            self._kind,
            self._dtype,
            tuple(data.name(place) for place in self._places),
            None if labels is None else np.array([int(labels[place]) for place in self._places], np.int64),
            counts,
            data.classes,
            tuple(self.broken),
            tuple(self._digests),
            np.array(self._prints, np.float32),
            columns[0],
            columns[1],
            columns[2],
            columns[3],
            columns[4],
            columns[5],
            columns[6],
            self._whole,
            tuple(self._few),
            tuple(self._few_raw),
        )


def _heard(raw: Raw) -> tuple[float, float]:
    """Of audio: the share of values that stand at full scale beside another such one, and the RMS; else NaN."""
    values = raw.array
    if values.ndim != 1 or values.dtype != np.int16 or len(values) < 2:
        return np.nan, np.nan
    full = np.abs(values.astype(np.int32)) >= _FULL_SCALE
    runs = float((full[1:] & full[:-1]).mean())
    return runs, float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def _part(values: Array, room: int) -> Array:
    """The sample, or as much of it as there is room for: whole lines of its first axis."""
    if values.size <= room or values.ndim == 0:
        return values
    lines = max(4, room * len(values) // values.size)
    return values[:lines]


def _digest(raws: Sequence[Raw]) -> str:
    digest = hashlib.sha256()
    for raw in raws:
        digest.update(f"{raw.array.dtype.str} {raw.array.shape} {raw.rate_hz}\n".encode())
        digest.update(np.ascontiguousarray(raw.array).tobytes())
    return digest.hexdigest()
