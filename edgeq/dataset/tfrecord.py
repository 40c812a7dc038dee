"""Samples from tfrecord files of `tf.train.Example`, read without TensorFlow: images, audio or plain numbers."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeq.dataset import keys, labels
from edgeq.dataset.example import Feature, NotAnExample, read_example
from edgeq.dataset.labels import LabelReader, Labels
from edgeq.dataset.listing import Listing
from edgeq.dataset.options import Options
from edgeq.dataset.picture import decode_image, looks_encoded
from edgeq.dataset.record_file import record, records, upper
from edgeq.dataset.riff import decode_wav
from edgeq.dataset.source import Array
from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw

IMAGE_KEYS = ("image/encoded", "image", "image_raw", "img", "jpg", "jpeg", "png")
AUDIO_KEYS = ("audio", "audio/encoded", "wav", "speech", "waveform")
NAME_KEY = "image/class/text"
"""The name of the class whose number is the label; the label itself where there is no number."""
LABEL_KEYS = (*keys.LABEL_KEYS, "image/class/label", "image/label", "label_id", NAME_KEY)
HEIGHT_KEYS, WIDTH_KEYS = ("height", "image/height", "h"), ("width", "image/width", "w")
_BESIDE = {*HEIGHT_KEYS, *WIDTH_KEYS, *keys.RATE_KEYS, "depth", "image/depth", "channels", "image/channels"}

Features = Mapping[str, Feature]


@dataclass(frozen=True)
class Layout:
    """What the first record says about all: the features that are the inputs, and those beside them."""

    kind: str
    features: tuple[str, ...]
    inputs: tuple[str, ...]
    label: str | None = None
    rate: str | None = None
    named: bool = False


@dataclass(frozen=True)
class RecordSource:
    """`places` has the byte offset of every record; file k holds those from `starts[k]` on."""

    paths: tuple[Path, ...]
    starts: tuple[int, ...]
    places: array[int]
    layout: Layout
    found: Labels
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.layout.kind

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.layout.inputs

    def __len__(self) -> int:
        return len(self.places)

    def read(self, index: int) -> tuple[Raw, ...]:
        path = self.paths[bisect_right(self.starts, index) - 1]
        what = f"sample {index} of '{path}'"
        return _raws(self.layout, _features(record(path, self.places[index], what), what), what)

    def name(self, index: int) -> str:
        return f"sample {index}"


def open_records(listing: Listing, options: Options) -> RecordSource:
    """One pass finds the records, and reads their labels where the first one has a label."""
    if listing.found.numbers is not None:
        raise UsageError(
            f"'{listing.origin}' holds folders of tfrecord files; these have their labels inside.",
            f"Give one of the folders, such as {listing.path(0).parent}.",
        )
    paths = tuple(listing.path(index) for index in range(len(listing.files)))
    where = str(listing.origin)
    first = next((path for path in paths if path.stat().st_size), None)
    if first is None:
        raise UsageError(f"'{where}' holds no records.", "Give at least one sample, better a hundred.")
    what = f"sample 0 of '{first}'"
    layout = _layout(_features(record(first, 0, what), what), what, options)
    starts, places, reader = [], array("q"), (_NamedLabels if layout.named else _Labels)(options, where)
    for path in paths:
        starts.append(len(places))
        for place, data in records(path, len(places), options.progress, values=layout.label is not None):
            if layout.label:
                what = f"sample {len(places)} of '{path}'"
                reader.add(_features(data, what), layout.label, what)
            places.append(place)
    found = reader.finish() if layout.label else labels.NONE
    return RecordSource(paths, tuple(starts), places, layout, found, listing.notes)


class _Labels:
    """The labels of the records, as they come."""

    def __init__(self, options: Options, where: str) -> None:
        self._reader, self._classes = LabelReader(options.classes, where), True

    def add(self, features: Features, key: str, what: str) -> None:
        value = features.get(key, [])
        if not len(value):
            raise UsageError(f"{upper(what)} has no label '{key}'.", "Give every sample its label.")
        if len(value) == 1:
            item = value[0]
            self._reader.add(item.decode("utf-8", "replace") if isinstance(item, bytes) else f"{item:.17g}")
            return
        found = labels.NOT_CLASSES if isinstance(value, list) else labels.from_numbers(value[None], (), what)
        if found.numbers is None:
            self._classes = False
        else:
            self._reader.add(str(found.numbers[0]))

    def finish(self) -> Labels:
        return self._reader.finish() if self._classes else labels.NOT_CLASSES


class _NamedLabels(_Labels):
    """Numbers with a name beside each: they mean the names, in whatever order the classes are."""

    def __init__(self, options: Options, where: str) -> None:
        super().__init__(replace(options, classes=()), where)
        self._wanted, self._where = options.classes, where
        self._names: dict[int, set[str]] = {}

    def add(self, features: Features, key: str, what: str) -> None:
        super().add(features, key, what)
        number, name = features[key][0], features.get(NAME_KEY, [])
        if isinstance(number, np.int64) and 0 <= number <= labels.MOST_CLASSES:
            texts = self._names.setdefault(int(number), set())
            texts |= {item.decode("utf-8", "replace") for item in name[:1] if isinstance(item, bytes)}

    def finish(self) -> Labels:
        found, wanted = super().finish(), self._wanted
        if found.numbers is None:
            return found
        names = {number: next(iter(texts)) for number, texts in self._names.items() if len(texts) == 1}
        own = tuple(names.get(number, "") for number in range(max(self._names, default=-1) + 1))
        # A text that describes the single picture, or the class in other words, is no name of it.
        if len(names) == len(self._names) and set(names.values()) & set(wanted):
            return labels.renumbered(Labels(found.numbers, own), wanted, self._where)
        return labels.known(found.numbers, wanted or (own if all(own) else ()), self._where)


def _features(data: bytes, what: str) -> Features:
    try:
        return read_example(data)
    except NotAnExample as error:
        raise UsageError(
            f"{upper(what)} is no tf.train.Example: {error}.", "Write the samples as tf.train.Example."
        ) from error


def _layout(features: Features, what: str, options: Options) -> Layout:
    label = keys.first([key for key in LABEL_KEYS if key not in options.inputs], list(features))
    image = next((key for key in IMAGE_KEYS if _is_bytes(features.get(key))), None)
    audio = keys.first(AUDIO_KEYS, list(features))
    rate = keys.first(keys.RATE_KEYS, list(features))
    if image:
        named = NAME_KEY in features and label is not None and isinstance(features[label], np.ndarray)
        return Layout("image", (image,), ("x",), label, named=named)
    if audio:
        return Layout("audio", (audio,), ("x",), label, rate)
    arrays = sorted(key for key, value in features.items() if isinstance(value, np.ndarray) and key != label)
    numbers = [key for key in arrays if key not in _BESIDE or key in options.inputs] or arrays
    if not numbers:
        told = ", ".join(f"{key} ({_told(value)})" for key, value in sorted(features.items())) or "none"
        raise UsageError(
            f"{upper(what)} has the features {told[:300]}; none of them is one that edgeq reads.",
            "Write images as 'image/encoded', audio as 'audio', numbers as float_list or int64_list.",
        )
    return Layout("tensor", *keys.choose_inputs(options.inputs, numbers, what), label)


def _raws(layout: Layout, features: Features, what: str) -> tuple[Raw, ...]:
    absent = next((key for key in layout.features if key not in features), None)
    if absent:
        raise UsageError(f"{upper(what)} has no feature '{absent}'; the first sample has one.", "Write it to all.")
    if layout.kind == "image":
        return (_image(features, layout.features[0], what),)
    if layout.kind == "audio":
        return (_audio(features, layout, what),)
    return tuple(Raw(_numbers(features, key, what)) for key in layout.features)


def _image(features: Features, key: str, what: str) -> Raw:
    value = features[key]
    if not isinstance(value, list) or len(value) != 1:
        raise UsageError(f"The feature '{key}' of {what} is not one image.", "Write the bytes of one file.")
    height, width = _whole(features, HEIGHT_KEYS), _whole(features, WIDTH_KEYS)
    data = value[0]
    if looks_encoded(data) or not height or not width:
        return decode_image(data, what)
    if len(data) not in (height * width, 3 * height * width):
        raise UsageError(
            f"The image of {what} has {len(data):,} bytes, which are no {height} x {width} pixels.",
            "Write one or three bytes for each pixel, or the bytes of a PNG or JPEG file.",
        )
    return Raw(np.frombuffer(data, np.uint8).reshape(height, width, -1).copy())


def _audio(features: Features, layout: Layout, what: str) -> Raw:
    value = features[layout.features[0]]
    rate_hz = _whole(features, (layout.rate,) if layout.rate else ())
    if isinstance(value, list):
        data = value[0] if len(value) == 1 else b""
        if data.startswith(b"RIFF"):
            return decode_wav(data, what)
        if not data or len(data) % 2:
            raise UsageError(f"The audio of {what} is neither a wav file nor int16 samples.", "Write it as either.")
        return Raw(np.frombuffer(data, "<i2").astype(np.int16), rate_hz)
    scaled = value * np.float32(32768) if value.dtype == np.float32 else value
    if value.dtype == np.float32 and not (np.abs(value) <= 1).all():
        raise UsageError(f"The audio of {what} goes beyond -1..1.", "Write floats from -1 to 1, or int64 as int16 has.")
    if value.dtype != np.float32 and ((value < -32768) | (value > 32767)).any():
        raise UsageError(f"The audio of {what} goes beyond the range of int16.", "Scale it to -32768..32767.")
    return Raw(np.rint(scaled).clip(-32768, 32767).astype(np.int16), rate_hz)


def _numbers(features: Features, key: str, what: str) -> Array:
    """A flat list, or [height, width, channels] where it is an image whose size stands beside it."""
    value = features[key]
    if isinstance(value, list):
        raise UsageError(f"The feature '{key}' of {what} holds bytes; in the first sample it is numbers.", "Mend it.")
    pixels = _whole(features, HEIGHT_KEYS) * _whole(features, WIDTH_KEYS)
    if key in IMAGE_KEYS and pixels and len(value) and len(value) % pixels == 0:
        return value.reshape(_whole(features, HEIGHT_KEYS), _whole(features, WIDTH_KEYS), -1)
    return value


def _whole(features: Features, names: tuple[str, ...]) -> int:
    """The number that one of these features holds; 0 where there is none."""
    value = features.get(keys.first(names, list(features)) or "")
    usable = isinstance(value, np.ndarray) and value.dtype == np.int64 and len(value) == 1
    return max(0, int(value[0])) if usable and value is not None else 0


def _is_bytes(value: Feature | None) -> bool:
    return isinstance(value, list) and len(value) == 1


def _told(value: Feature) -> str:
    return f"{'bytes' if isinstance(value, list) else value.dtype} x {len(value)}"
