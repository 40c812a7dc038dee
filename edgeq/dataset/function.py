"""Samples from the user's own code, `module:function`: kind `tensor`, or `audio` where it says a rate."""

from __future__ import annotations

import importlib
import inspect
import io
import re
import sys
import traceback
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.dataset import keys, labels
from edgeq.dataset.arrays import open_members
from edgeq.dataset.labels import LabelReader, Labels
from edgeq.dataset.npy import Header, Rows
from edgeq.dataset.options import Options, Progress, Ticker
from edgeq.dataset.source import Array, Numbers, Source
from edgeq.dataset.spool import Spool
from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw

PATTERN = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
MOST_SPOOLED = 1_000_000
MOST_SPOOLED_BYTES = 16 << 30
"""What a generator may give in all; it is kept on disk, since a sample cannot be asked for again."""


@dataclass(frozen=True)
class Sample:
    """One sample as the code gave it: arrays by input name, its label as a text."""

    arrays: Mapping[str, Array]
    label: str | None
    rate_hz: int


@dataclass(frozen=True)
class Code:
    """Where the user's code is, and what it is called in errors."""

    spec: str
    folder: Path

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its folder is importable, and what it raises becomes a `UsageError` with file and line."""
        sys.path.insert(0, str(self.folder))
        try:
            yield
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"'{self.spec}' raised {type(error).__name__}{': ' if reason else ''}{reason} ({self._place(error)}).",
                "Mend the function; edgeq calls it without arguments.",
            ) from error
        finally:
            if str(self.folder) in sys.path:
                sys.path.remove(str(self.folder))

    def _place(self, error: BaseException) -> str:
        """The deepest line of the user's own files, else of any."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(self.folder)]
        if isinstance(error, SyntaxError) and error.filename:
            return f"{error.filename}, line {error.lineno}"
        last = (own or list(frames))[-1]
        return f"{last.filename}, line {last.lineno}"


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
        return tuple(Raw(sample.arrays[name], sample.rate_hz) for name in self.names)


@dataclass(frozen=True)
class IndexedSource:
    """An object with `__len__` and `__getitem__`: a sample is asked for when it is read."""

    code: Code
    given: Any
    count: int
    layout: Layout
    options: Options
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "audio" if self.layout.audio else "tensor"

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.layout.inputs

    @property
    def classes(self) -> tuple[str, ...]:
        return self._found.classes

    @property
    def unlabelled(self) -> str:
        return self._found.why

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> tuple[Raw, ...]:
        what = f"Sample {index} of '{self.code.spec}'"
        return self.layout.raws(_item(self.code, self.given, index), what)

    def name(self, index: int) -> str:
        return f"sample {index}"

    def labels(self) -> Numbers | None:
        return self._found.numbers

    @cached_property
    def _found(self) -> Labels:
        """From the object's own `labels`, which may be there to save time, else from every sample."""
        own = getattr(self.given, "labels", None)
        reader = LabelReader(self.options.classes, self.code.spec)
        if own is not None and not callable(own) and len(own) == self.count:
            for index in range(self.count):
                reader.add(_label(own[index], f"Sample {index} of '{self.code.spec}'"))
            return reader.finish()
        if not self.layout.labelled:
            return labels.NONE
        ticker = Ticker(self.options.progress, f"reading the labels of '{self.code.spec}'", self.count)
        for index in range(self.count):
            reader.add(_required(_item(self.code, self.given, index), index, self.code))
            ticker.tell(index)
        return reader.finish()


@dataclass(frozen=True)
class SpooledSource:
    """What a generator gave, kept on disk. Sample i has its arrays at `places[i * len(inputs)]` and after."""

    code: Code
    spool: Spool
    places: array[int]
    rates_hz: array[int]
    layout: Layout
    found: Labels
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "audio" if self.layout.audio else "tensor"

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.layout.inputs

    @property
    def classes(self) -> tuple[str, ...]:
        return self.found.classes

    @property
    def unlabelled(self) -> str:
        return self.found.why

    def __len__(self) -> int:
        return len(self.rates_hz)

    def read(self, index: int) -> tuple[Raw, ...]:
        width = len(self.inputs)
        places = [*self.places[index * width : (index + 1) * width + 1], len(self.spool)]
        parts = [self.spool.read_at(places[k], places[k + 1] - places[k]) for k in range(width)]
        return tuple(
            Raw(np.lib.format.read_array(io.BytesIO(part), allow_pickle=False), self.rates_hz[index]) for part in parts
        )

    def name(self, index: int) -> str:
        return f"sample {index}"

    def labels(self) -> Numbers | None:
        return self.found.numbers


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
    function = _find(code)
    with code.running():
        given = function() if callable(function) else function
    arrays = _arrays(given, spec)
    if arrays is not None:
        return open_members(spec, arrays, options)
    if inspect.isawaitable(given) or not (hasattr(given, "__iter__") or hasattr(given, "__getitem__")):
        raise UsageError(
            f"'{spec}' gives {_kind(given)}, which is no set of samples.",
            "Return arrays, a list of samples, an object with __len__ and __getitem__, or yield samples.",
        )
    count = _count(given) if hasattr(given, "__getitem__") else None
    return _spool(code, given, options) if count is None else _indexed(code, given, count, options)


def _find(code: Code) -> Any:
    module_name, name = code.spec.split(":")
    with code.running():
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not (module_name + ".").startswith(error.name + "."):
                raise
            raise UsageError(
                f"There is no module '{module_name}' in '{code.folder}'.",
                f"Write {module_name.split('.')[0]}.py there.",
            ) from error
    own = code.folder.joinpath(*module_name.split("."))
    file = getattr(module, "__file__", None)
    if own.with_suffix(".py").is_file() and file and not Path(file).resolve().is_relative_to(code.folder):
        raise UsageError(
            f"'{own.with_suffix('.py')}' is hidden by the module '{module_name}' of {file}.", "Give it another name."
        )
    if not hasattr(module, name):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")]
        raise UsageError(
            f"The module '{module_name}' has no '{name}'.", f"Its functions: {', '.join(known[:12]) or 'none'}."
        )
    return getattr(module, name)


def _arrays(given: Any, spec: str) -> dict[str, Held] | None:
    """A lone array, two arrays (samples, labels), or a mapping of arrays; None where it is something else."""
    if isinstance(given, np.ndarray):
        given = {"x": given}
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, np.ndarray) for part in given):
        given = dict(zip(("x", "y"), given, strict=True))
    if not isinstance(given, Mapping):
        return None
    return {str(name): Held(_array(value, f"'{name}' of '{spec}'")) for name, value in given.items()}


def _count(given: Any) -> int | None:
    try:
        return len(given)
    except Exception:  # some iterables have a __len__ that raises where their length is unknown
        return None


def _indexed(code: Code, given: Any, count: int, options: Options) -> IndexedSource:
    if not count:
        raise _nothing(code)
    return IndexedSource(code, given, count, _layout(_item(code, given, 0), options, code.spec), options)


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
        sample = _sample(value, what)
        layout = layout or _layout(sample, options, code.spec)
        for raw in layout.raws(sample, what):
            places.append(spool.append(_saved(raw.array)))
        rates_hz.append(sample.rate_hz)
        if layout.labelled:
            reader.add(_required(sample, index, code))
        ticker.tell()
    if layout is None:
        raise _nothing(code)
    return SpooledSource(code, spool, places, rates_hz, layout, reader.finish() if layout.labelled else labels.NONE)


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
    return _sample(value, f"Sample {index} of '{code.spec}'")


def _layout(sample: Sample, options: Options, spec: str) -> Layout:
    names, inputs = keys.choose_inputs(options.inputs, list(sample.arrays), spec)
    return Layout(names, inputs, sample.label is not None, bool(sample.rate_hz))


def _sample(value: Any, what: str) -> Sample:
    """An array, (array, label), a mapping by name, a Raw, or (any of these, label)."""
    label = None
    if isinstance(value, tuple) and len(value) in (1, 2):
        value, label = value[0], value[1] if len(value) == 2 else None
    arrays, rate_hz = {"x": value}, 0
    if isinstance(value, Raw):
        arrays, rate_hz = {"x": value.array}, value.rate_hz
    elif isinstance(value, Mapping):
        arrays = {str(key): item for key, item in value.items()}
        key, rate = keys.first(keys.LABEL_KEYS, list(arrays)), keys.first(keys.RATE_KEYS, list(arrays))
        label = arrays.pop(key) if key and label is None else label
        rate_hz = _rate(arrays.pop(rate), what) if rate else 0
    return Sample(
        {name: _array(item, what) for name, item in arrays.items()},
        None if label is None else _label(label, what),
        rate_hz,
    )


def _array(value: Any, what: str) -> Array:
    try:
        found = np.asarray(value)
    except Exception as error:  # foreign tensors and ragged lists raise as they please
        raise UsageError(
            f"{what} is no array: {' '.join(str(error).split())[:200]}.", "Give arrays of numbers."
        ) from error
    if found.dtype.hasobject:
        raise UsageError(f"{what} is {_kind(value)}, no array of numbers.", "Give arrays of numbers.")
    return found


def _label(value: Any, what: str) -> str:
    """A class number, a text, or a one-hot row."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    found = _array(value, f"The label of {what[:1].lower()}{what[1:]}").reshape(-1)
    if found.size == 1:
        return str(found[0])
    row = labels.from_numbers(found[None], (), what)
    if row.numbers is None:
        raise UsageError(f"{what} has a label that is no class.", "Give a class number, a name or a one-hot row.")
    return str(row.numbers[0])


def _required(sample: Sample, index: int, code: Code) -> str:
    if sample.label is None:
        raise UsageError(f"Sample {index} of '{code.spec}' has no label; the first one has.", "Give all of them one.")
    return sample.label


def _rate(value: Any, what: str) -> int:
    found = _array(value, what)
    if found.size != 1 or found.dtype.kind not in "iuf" or not 1 <= found.flat[0] <= 1_000_000:
        raise UsageError(f"{what} has a rate that is no number of Hz.", "Give one number, such as 16000.")
    return int(found.flat[0])


def _saved(values: Array) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values, allow_pickle=False)
    return file.getvalue()


def _nothing(code: Code) -> UsageError:
    return UsageError(f"'{code.spec}' gives no samples.", "Give at least one sample, better a hundred.")


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
