"""Samples from the user's own code, `module:function`: kind `tensor`, or `audio` where it says a rate."""

from __future__ import annotations

import inspect
import io
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.dataset import keys, labels
from edgeq.dataset.arrays import open_members
from edgeq.dataset.given import Sample, array_of, kind_of, label_of, sample_of
from edgeq.dataset.labels import LabelReader, Labels
from edgeq.dataset.npy import Header, Rows
from edgeq.dataset.options import Options, Progress, Ticker
from edgeq.dataset.source import Array, Source
from edgeq.dataset.spool import Spool
from edgeq.dataset.usercode import Code, find
from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw

MOST_SPOOLED = 1_000_000
MOST_SPOOLED_BYTES = 16 << 30
"""What a generator may give in all; it is kept on disk, since a sample cannot be asked for again."""


@dataclass(frozen=True)
class Layout:
    """What the first sample says about all."""

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    labelled: bool
    audio: bool

    def raws(self, sample: Sample, what: str) -> tuple[Raw, ...]:
        absent = next((name for name in self.names if name not in sample.arrays), None)
        if absent:
            raise UsageError(f"{what} has no '{absent}', as the first one has.", "Give every sample the same.")
        arrays = [sample.arrays[name] for name in self.names]
        if sample.rate_hz and any(item.dtype != np.int16 or item.ndim != 1 for item in arrays):
            raise UsageError(
                f"{what} gives a rate, and is no clip: int16 of shape [length].",
                "Give clips as int16, or leave the rate out where they are no audio.",
            )
        return tuple(Raw(item, sample.rate_hz) for item in arrays)


@dataclass(frozen=True)
class _Coded:
    """What samples of code have in common, however they are kept."""

    code: Code
    layout: Layout

    @property
    def kind(self) -> str:
        return "audio" if self.layout.audio else "tensor"

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.layout.inputs

    def name(self, index: int) -> str:
        return f"sample {index}"


@dataclass(frozen=True)
class IndexedSource(_Coded):
    """An object with `__len__` and `__getitem__`: a sample is asked for when it is read."""

    given: Any
    count: int
    options: Options
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> tuple[Raw, ...]:
        what = f"Sample {index} of '{self.code.spec}'"
        return self.layout.raws(_item(self.code, self.given, index), what)

    @cached_property
    def found(self) -> Labels:
        """From the object's own `labels`, which may be there to save time, else from every sample."""
        own = getattr(self.given, "labels", None)
        reader = LabelReader(self.options.classes, self.code.spec)
        if own is not None and not callable(own) and len(own) == self.count:
            for index in range(self.count):
                reader.add(label_of(own[index], f"Sample {index} of '{self.code.spec}'"))
            return reader.finish()
        if not self.layout.labelled:
            return labels.NONE
        ticker = Ticker(self.options.progress, f"reading the labels of '{self.code.spec}'", self.count)
        for index in range(self.count):
            reader.add(_required(_item(self.code, self.given, index), index, self.code))
            ticker.tell(index)
        return reader.finish()


@dataclass(frozen=True)
class SpooledSource(_Coded):
    """What a generator gave, kept on disk. Sample i has its arrays at `places[i * len(inputs)]` and after."""

    spool: Spool
    places: array[int]
    rates_hz: array[int]
    found: Labels
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rates_hz)

    def read(self, index: int) -> tuple[Raw, ...]:
        width = len(self.inputs)
        places = [*self.places[index * width : (index + 1) * width + 1], len(self.spool)]
        parts = [self.spool.read_at(places[k], places[k + 1] - places[k]) for k in range(width)]
        return tuple(
            Raw(np.lib.format.read_array(io.BytesIO(part), allow_pickle=False), self.rates_hz[index]) for part in parts
        )


@dataclass(frozen=True)
class Held:
    """An array in memory, read as those in files are."""

    array: Array

    @property
    def header(self) -> Header:
        return Header(self.array.shape, self.array.dtype, False, 0)

    def rows(self, _: Progress) -> Rows:
        data = np.ascontiguousarray(self.array).reshape(-1).view(np.uint8)
        return Rows(self.header, lambda offset, count: data[offset : offset + count].tobytes(), 0, "the array")


def open_function(spec: str, folder: Path, options: Options) -> Source:
    """Call it, and take what it gives: arrays, an indexable object, or something to iterate over."""
    code = Code(spec, folder.resolve())
    function = find(code)
    with code.running():
        given = function() if callable(function) else function
    arrays = _arrays(given, spec)
    if arrays is not None:
        return open_members(spec, arrays, options)
    if inspect.isawaitable(given) or not (hasattr(given, "__iter__") or hasattr(given, "__getitem__")):
        raise UsageError(
            f"'{spec}' gives {kind_of(given)}, which is no set of samples.",
            "Return arrays, a list of samples, an object with __len__ and __getitem__, or yield samples.",
        )
    count = _count(given) if hasattr(given, "__getitem__") else None
    return _spool(code, given, options) if count is None else _indexed(code, given, count, options)


def _arrays(given: Any, spec: str) -> dict[str, Held] | None:
    """A lone array, two arrays (samples, labels), or a mapping of arrays; None where it is something else."""
    if isinstance(given, np.ndarray):
        given = {"x": given}
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, np.ndarray) for part in given):
        given = dict(zip(("x", "y"), given, strict=True))
    if not isinstance(given, Mapping):
        return None
    return {str(name): Held(array_of(value, f"'{name}' of '{spec}'")) for name, value in given.items()}


def _count(given: Any) -> int | None:
    try:
        return len(given)
    except Exception:  # some iterables have a __len__ that raises where their length is unknown
        return None


def _indexed(code: Code, given: Any, count: int, options: Options) -> IndexedSource:
    if not count:
        raise _nothing(code)
    return IndexedSource(code, _layout(_item(code, given, 0), options, code.spec), given, count, options)


def _spool(code: Code, given: Any, options: Options) -> SpooledSource:
    spool, places, rates_hz = Spool(f"what '{code.spec}' yields"), array("q"), array("i")
    layout, reader = None, LabelReader(options.classes, code.spec)
    ticker = Ticker(options.progress, f"running '{code.spec}'")
    for index, value in enumerate(_iterated(code, given)):
        if index >= MOST_SPOOLED or len(spool) > MOST_SPOOLED_BYTES:
            raise UsageError(
                f"'{code.spec}' yields more than {index:,} samples or {MOST_SPOOLED_BYTES:,} bytes: does it end?",
                "Yield fewer, or return an object with __len__ and __getitem__, of which samples are read singly.",
            )
        what = f"Sample {index} of '{code.spec}'"
        sample = sample_of(value, what)
        layout = layout or _layout(sample, options, code.spec)
        for raw in layout.raws(sample, what):
            places.append(spool.append(_saved(raw.array)))
        rates_hz.append(sample.rate_hz)
        if layout.labelled:
            reader.add(_required(sample, index, code))
        ticker.tell()
    if layout is None:
        raise _nothing(code)
    found = reader.finish() if layout.labelled else labels.NONE
    return SpooledSource(code, layout, spool, places, rates_hz, found)


def _iterated(code: Code, given: Any) -> Iterator[Any]:
    with code.running():
        items = iter(given)
    end = object()
    while True:
        with code.running():
            value = next(items, end)
        if value is end:
            return
        yield value


def _item(code: Code, given: Any, index: int) -> Sample:
    with code.running():
        value = given[index]
    return sample_of(value, f"Sample {index} of '{code.spec}'")


def _layout(sample: Sample, options: Options, spec: str) -> Layout:
    names, inputs = keys.choose_inputs(options.inputs, list(sample.arrays), spec)
    return Layout(names, inputs, sample.label is not None, bool(sample.rate_hz))


def _required(sample: Sample, index: int, code: Code) -> str:
    if sample.label is None:
        raise UsageError(f"Sample {index} of '{code.spec}' has no label; the first one has.", "Give all of them one.")
    return sample.label


def _saved(values: Array) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values, allow_pickle=False)
    return file.getvalue()


def _nothing(code: Code) -> UsageError:
    return UsageError(f"'{code.spec}' gives no samples.", "Give at least one sample, better a hundred.")
