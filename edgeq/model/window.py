"""How an operator moves its filter over a picture: size, stride and dilation, which the shapes of its tensors do not
tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from edgeq.model.flatbuffer import FlatBuffer
from edgeq.model.info import Subgraph
from edgeq.model.macs import Work

_STRIDE = {"stride_w": 1, "stride_h": 2}
_POOL = {**_STRIDE, "size_w": 3, "size_h": 4}
_FIELDS: Mapping[str, Mapping[str, int]] = {
    "CONV_2D": {**_STRIDE, "dilation_w": 4, "dilation_h": 5},
    "DEPTHWISE_CONV_2D": {**_STRIDE, "dilation_w": 5, "dilation_h": 6},
    "TRANSPOSE_CONV": _STRIDE,
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "L2_POOL_2D": _POOL,
}
"""Options by their numbers in `schema.fbs`."""
WINDOWED = tuple(_FIELDS)
CUT = "SPACE_TO_BATCH_ND"
_MOST = 1 << 16

Pair = tuple[int, int]


class Window(NamedTuple):
    """Height and width of each; `channels` are those that one value of the output is summed up from, and those of the
    output."""

    size: Pair
    stride: Pair
    dilation: Pair
    channels: Pair

    def to_json(self) -> dict[str, list[int]]:
        """As `Run.profile` has it."""
        return {name: list(pair) for name, pair in self._asdict().items()}


def read_window(data: Any) -> Window | None:
    """What `to_json` wrote; None where there is none, as in older runs. `ValueError` for anything else."""
    if data is None:
        return None
    pairs = [tuple(map(int, data[name])) for name in Window._fields]
    if any(len(pair) != 2 or min(pair) < 1 for pair in pairs):
        raise ValueError(f"{data} is no window")
    return Window(*((pair[0], pair[1]) for pair in pairs))


def window_of(name: str, work: Work, options: Mapping[str, int]) -> Window | None:
    """The window of operator `name`, whose `options` are called as in LiteRT's files; None for an operator without one,
    and where its tensors or options are not those of its kind."""
    if name not in _FIELDS or not work.outputs or not work.outputs[0]:
        return None
    stride, dilation, size = (
        (options.get(f"{key}_h") or 1, options.get(f"{key}_w") or 1) for key in ("stride", "dilation", "size")
    )
    channels = (1, work.outputs[0][-1])
    if _FIELDS[name] is not _POOL:
        weights = work.inputs[1] if len(work.inputs) > 1 else ()
        if len(weights) != 4:
            return None
        size = (weights[1], weights[2])
        channels = channels if name == "DEPTHWISE_CONV_2D" else (weights[3], weights[0])
    found = Window(size, stride, dilation, channels)
    return found if all(0 < value < _MOST for pair in found for value in pair) else None


def windows(model: bytes, main: Subgraph) -> tuple[Window | None, ...]:
    """The window of each operator of `main`, the main graph of the file `model`."""
    graph = next(FlatBuffer(model).root().tables(2))
    found = []
    for table, operator in zip(graph.tables(3), main.operators, strict=True):
        fields = _FIELDS.get(operator.name)
        options = table.table(4) if fields else None
        given = {key: options.integer(field, "i") for key, field in (fields or {}).items()} if options else {}
        shapes = [main.tensors[index].shape if index >= 0 else () for index in operator.inputs]
        work = Work(shapes, [main.tensors[index].shape for index in operator.outputs])
        found.append(window_of(operator.name, work, given))
    return tuple(found)


def cuts(model: bytes, main: Subgraph) -> dict[int, Pair]:
    """How far apart each SPACE_TO_BATCH_ND of `main` takes the rows and columns of a picture, by its place: a
    convolution behind it is a dilated one, where a runtime joins both."""
    buffer = FlatBuffer(model)
    root = buffer.root()
    tensors, buffers = list(next(root.tables(2)).tables(0)), list(root.tables(4))
    found = {}
    for place, operator in enumerate(main.operators):
        if operator.name == CUT and len(operator.inputs) > 1 and operator.inputs[1] >= 0:
            start, count = buffers[tensors[operator.inputs[1]].integer(2, "I")].vector(0, 1)
            if count == 8:
                found[place] = buffer.number(start, "i"), buffer.number(start + 4, "i")
    return found
