"""Standard TFLite metadata: what the interface says, written into the `.tflite` for tools that read it there.

The schema is `metadata_schema.fbs` of TFLite Support (file identifier M001); labels travel as an associated file, which
is a zip archive behind the model. Other tools may put buffers of their own names beside it. The model itself is not
written anew: a new root table with more buffers and metadata entries is put in front of its bytes, whose references are
relative and stay as they are.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

from edgeq.interface import Interface, Tensor
from edgeq.model.flatbuffer import FlatBuffer, damaged

NAME = "TFLITE_METADATA"
LABELS = "labels.txt"
PARSER_VERSION = "1.0.0"
MOST_LABEL_BYTES = 1 << 20
_ALIGN = 16
_TENSOR_AXIS_LABELS = 2
_FEATURE, _IMAGE, _AUDIO = 1, 2, 4
_RGB, _GRAYSCALE = 1, 2
_NORMALIZATION, _THRESHOLD = 1, 3
_MODEL_FIELDS = 8
_VERSION, _BUFFERS, _METADATA = 0, 4, 6


def with_metadata(
    model: bytes,
    interface: Interface,
    *,
    name: str,
    version: str = "",
    buffers: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    """`model` (a `.tflite`) with metadata, labels, and `buffers` by their names; what other metadata it had stays. The
    same bytes for the same arguments. `ArtifactError` where the model's own structure is damaged."""
    extended = _extend(bare(model), {NAME: describe_model(interface, name, version), **buffers})
    if not interface.labels:
        return extended
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
        entry = zipfile.ZipInfo(LABELS, date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3
        files.writestr(entry, "\n".join(interface.labels) + "\n")
    return extended + archive.getvalue()


def labels_of(model: bytes) -> tuple[str, ...]:
    """The labels that a model brings along, one per line of the first associated file whose name says so; else none."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as files:
            names = [name for name in files.namelist() if "label" in name.lower() and name.endswith(".txt")]
            if not names or files.getinfo(names[0]).file_size > MOST_LABEL_BYTES:
                return ()
            text = files.read(names[0]).decode("utf-8")
    except (zipfile.BadZipFile, UnicodeDecodeError, RuntimeError, EOFError, zlib.error, OSError):
        return ()
    return tuple(line.strip() for line in text.rstrip().splitlines())


def named_buffer(model: bytes, name: str, most: int) -> bytes | None:
    """The metadata buffer `name` of anybody's `.tflite`, of at most `most` bytes; None where it has none.

    `ArtifactError` where the structure is damaged or the buffer is larger.
    """
    root = FlatBuffer(model).root()
    wanted = next((entry.integer(1, "I") for entry in root.tables(_METADATA) if entry.text(0) == name), None)
    if wanted is None:
        return None
    buffer = next(islice(root.tables(_BUFFERS), wanted, None), None)
    if buffer is None:
        raise damaged(f"its metadata '{name}' has no buffer")
    start, count = buffer.vector(0, 1)
    if count > most:
        raise damaged(f"its metadata '{name}' has {count} bytes, and {most} are the most")
    return model[start : start + count]


def bare(model: bytes) -> bytes:
    """`model` without the archive behind it."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as files:
            return model[: min((entry.header_offset for entry in files.infolist()), default=len(model))]
    except (zipfile.BadZipFile, OSError, ValueError):
        return model


def describe_model(interface: Interface, name: str, version: str = "") -> bytes:
    """The `ModelMetadata` flatbuffer."""
    import flatbuffers

    build = flatbuffers.Builder(1024)
    inputs = [
        _tensor(build, tensor, _content(build, interface), _normalization(build, interface))
        for tensor in interface.inputs
    ]
    labels = _labels(build) if interface.labels else None
    last = len(interface.outputs) - 1
    outputs = [
        _tensor(build, tensor, None, _threshold(build, interface), labels if number == last else None)
        for number, tensor in enumerate(interface.outputs)
    ]
    lists = {2: _vector(build, inputs), 3: _vector(build, outputs)}
    subgraph = _table(build, 9, lists)
    texts = {
        number: build.CreateString(text) for number, text in ((0, name), (2, version), (7, PARSER_VERSION)) if text
    }
    build.Finish(_table(build, 8, {**texts, 3: _vector(build, [subgraph])}), file_identifier=b"M001")
    return bytes(build.Output())


def _tensor(build: Any, tensor: Tensor, content: int | None, unit: int | None, labels: int | None = None) -> int:
    fields = {0: build.CreateString(tensor.name)}
    if content is not None:
        fields[3] = content
    if unit is not None:
        fields[4] = _vector(build, [unit])
    if labels is not None:
        fields[6] = _vector(build, [labels])
    return _table(build, 7, fields)


def _content(build: Any, interface: Interface) -> int:
    """Of what kind the input is: an image, audio, or features."""
    preprocess = interface.preprocess or {}
    if preprocess.get("input") == "image":
        colours = [step.get("order") for step in preprocess.get("steps", []) if step.get("do") == "colour"]
        space = _GRAYSCALE if "gray" in colours[-1:] else _RGB
        kind, properties = _IMAGE, _table(build, 2, {}, {0: (space, build.PrependInt8Slot)})
    elif preprocess.get("input") == "audio":
        rate = int(preprocess.get("rate_hz", 0))
        numbers = {0: (rate, build.PrependUint32Slot), 1: (1, build.PrependUint32Slot)}
        kind, properties = _AUDIO, _table(build, 2, {}, numbers)
    else:
        kind, properties = _FEATURE, _table(build, 0, {})
    return _table(build, 3, {1: properties}, {0: (kind, build.PrependUint8Slot)})


def _normalization(build: Any, interface: Interface) -> int | None:
    """An image's last `scale` step, as (value - mean) / std."""
    preprocess = interface.preprocess or {}
    scales = [step for step in preprocess.get("steps", []) if step.get("do") == "scale"]
    if preprocess.get("input") != "image" or not scales:
        return None
    multiply, add = (_list(scales[-1][key]) for key in ("multiply", "add"))
    if not all(multiply):
        return None
    count = max(len(multiply), len(add))
    pairs = list(zip(multiply * (count // len(multiply)), add * (count // len(add)), strict=True))
    options = {0: _floats(build, [-b / a for a, b in pairs]), 1: _floats(build, [1 / a for a, _ in pairs])}
    return _unit(build, _NORMALIZATION, _table(build, 2, options))


def _list(value: float | Sequence[float]) -> list[float]:
    return [float(item) for item in value] if isinstance(value, Sequence) else [float(value)]


def _threshold(build: Any, interface: Interface) -> int | None:
    if interface.threshold is None:
        return None
    options = _table(build, 1, {}, {0: (interface.threshold, build.PrependFloat32Slot)})
    return _unit(build, _THRESHOLD, options)


def _unit(build: Any, kind: int, options: int) -> int:
    return _table(build, 2, {1: options}, {0: (kind, build.PrependUint8Slot)})


def _labels(build: Any) -> int:
    texts = {0: build.CreateString(LABELS), 1: build.CreateString("Labels of the classes, in the order of the scores.")}
    return _table(build, 5, texts, {2: (_TENSOR_AXIS_LABELS, build.PrependInt8Slot)})


def _table(
    build: Any,
    fields: int,
    references: Mapping[int, int],
    numbers: Mapping[int, tuple[Any, Callable[..., None]]] | None = None,
) -> int:
    """A table of `fields` fields: references by number, and scalars with the builder's method for their type."""
    build.StartObject(fields)
    for number, reference in references.items():
        build.PrependUOffsetTRelativeSlot(number, reference, 0)
    for number, (value, prepend) in (numbers or {}).items():
        prepend(number, value, 0)
    return int(build.EndObject())


def _vector(build: Any, items: Sequence[int]) -> int:
    build.StartVector(4, len(items), 4)
    for item in reversed(items):
        build.PrependUOffsetTRelative(item)
    return int(build.EndVector())


def _floats(build: Any, values: Sequence[float]) -> int:
    build.StartVector(4, len(values), 4)
    for value in reversed(values):
        build.PrependFloat32(value)
    return int(build.EndVector())


def _extend(model: bytes, added: Mapping[str, bytes]) -> bytes:
    """A new front for `model`: root table, its lists of buffers and of metadata with those of `added`, and their
    data."""
    root = FlatBuffer(model).root()
    buffers = [table.position for table in root.tables(_BUFFERS)]
    kept = [table.position for table in root.tables(_METADATA) if table.text(0) not in added]
    old = {number: root.reference(number) for number in range(1, _MODEL_FIELDS)}

    at_root = 8 + 4 + 2 * _MODEL_FIELDS
    at_buffers = at_root + 4 + 4 * _MODEL_FIELDS
    at_entries = at_buffers + 4 + 4 * (len(buffers) + len(added))
    end = at_entries + 4 + 4 * (len(kept) + len(added))
    pieces = []
    for name, data in added.items():
        pieces.append(_Piece(name.encode(), data, end))
        end = pieces[-1].end
    shift = end

    front = bytearray(shift)
    places = {number: position + shift for number, position in old.items() if position is not None}
    places |= {_BUFFERS: at_buffers, _METADATA: at_entries}
    struct.pack_into("<I4s", front, 0, at_root, b"TFL3")
    _put_table(front, at_root, _MODEL_FIELDS, places, {_VERSION: root.integer(_VERSION, "I")})
    _put_references(front, at_buffers, [*(at + shift for at in buffers), *(piece.at_buffer for piece in pieces)])
    _put_references(front, at_entries, [*(at + shift for at in kept), *(piece.at_entry for piece in pieces)])
    for number, piece in enumerate(pieces, len(buffers)):
        _put_table(front, piece.at_buffer, 1, {0: piece.at_data}, {})
        _put_table(front, piece.at_entry, 2, {0: piece.at_name}, {1: number})
        for at, data in ((piece.at_name, piece.name), (piece.at_data, piece.data)):
            struct.pack_into(f"<I{len(data)}s", front, at, len(data), data)
    return bytes(front) + model


@dataclass(frozen=True)
class _Piece:
    """A buffer with its metadata entry, in the front from `begin` on: both tables behind their vtables of 8 bytes, the
    name with a zero behind it, the data."""

    name: bytes
    data: bytes
    begin: int

    @property
    def at_buffer(self) -> int:
        return self.begin + 8

    @property
    def at_entry(self) -> int:
        return self.at_buffer + 8 + 8

    @property
    def at_name(self) -> int:
        return self.at_entry + 12

    @property
    def at_data(self) -> int:
        return _up(self.at_name + 4 + len(self.name) + 1 + 4) - 4

    @property
    def end(self) -> int:
        return _up(self.at_data + 4 + len(self.data))


def _up(size: int) -> int:
    """To the next multiple of 16, at which TFLite wants the data of buffers."""
    return -(-size // _ALIGN) * _ALIGN


def _put_table(front: bytearray, at: int, fields: int, places: Mapping[int, int], numbers: Mapping[int, int]) -> None:
    """A table at `at`, its vtable directly before it; every field has 4 bytes there, absent ones too."""
    vtable = 4 + 2 * fields
    size = 4 + 4 * fields
    begin = at - (vtable + vtable % 4)
    struct.pack_into("<HH", front, begin, vtable, size)
    struct.pack_into("<i", front, at, at - begin)
    for number in (*places, *numbers):
        own = at + 4 + 4 * number
        struct.pack_into("<H", front, begin + 4 + 2 * number, own - at)
        struct.pack_into("<I", front, own, places[number] - own if number in places else numbers[number])


def _put_references(front: bytearray, at: int, places: Sequence[int]) -> None:
    struct.pack_into("<I", front, at, len(places))
    for own, place in zip(range(at + 4, at + 4 + 4 * len(places), 4), places, strict=True):
        struct.pack_into("<I", front, own, place - own)
