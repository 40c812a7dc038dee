"""What each record of a plan leaves in the arena: where, which values, and of which operators of the `.tflite` file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ArtifactError
from edgeq.micro import records
from edgeq.micro.compile import Compiled, compile_model
from edgeq.micro.fields import View
from edgeq.micro.image import BODY, ENVELOPE
from edgeq.micro.lower.context import DTYPES
from edgeq.micro.records import Op
from edgeq.micro.trace import trace

NAMES = {number: name for name, number in DTYPES.items()}
_INTEGERS = {1: "int8", 2: "int16", 4: "int32"}


@dataclass(frozen=True)
class Given:
    """Values that record `record` gives, counted from 0, or that stand in the arena before the first one (-1: inputs).

    They are those at `places`, in elements, of the `size_bytes` bytes from `at` on; at all of them without. `operators`
    are those of the main graph that the record does, by index: the one that it is for comes first.
    """

    record: int
    kernel: str
    operators: tuple[int, ...]
    tensor: str
    dtype: str
    at: int
    size_bytes: int
    places: NDArray[np.int64] | None = field(default=None, compare=False)

    def values(self, data: bytes) -> NDArray[np.generic]:
        """The values among those bytes."""
        found = np.frombuffer(data, np.dtype(self.dtype).newbyteorder("<"))
        return found if self.places is None else found[self.places]


def given(model: bytes, image: bytes) -> list[Given]:
    """What the records of an image give, in their order; first of all the inputs. A record may give several.

    `ArtifactError` where this edgeq makes another plan of the model: then nothing is known of its records.
    """
    made = compile_model(model)
    origins = trace(model, [op.kind for op in made.plan.ops])
    if origins is None or _records(made.image()) != _records(image):
        raise ArtifactError("This edgeq makes another plan of the model.", "Build the bundle again, and deploy that.")
    inputs = zip(made.plan.inputs, made.graph.inputs, strict=True)
    found = [_whole(made, -1, "", (), view, made.graph.tensors[index].dtype) for view, index in inputs]
    for number, op in enumerate(made.plan.ops):
        found += [_piece(made, number, op, origins[number]), *_states(made, number, op, origins[number])]
    return found


def _records(image: bytes) -> bytes:
    """The records of an image, whose refs and sizes are those of its constants and arena."""
    head = BODY.unpack_from(image, ENVELOPE.size)
    plan, size = head[5], head[6]
    return image[ENVELOPE.size + plan : ENVELOPE.size + plan + size]


def _piece(made: Compiled, number: int, op: Op, operators: tuple[int, ...]) -> Given:
    """The result of a record: dense, but for that of a copy."""
    count, dtype = _result(op)
    item = np.dtype(dtype).itemsize
    low, places = 0, None
    if isinstance(op, records.Copy):
        walked = _walked(op.dims, op.out_step)
        low = int(walked.min())
        places = walked - low
        count = int(places.max()) + 1
        dtype = _of_tensor(made, op.out, item) or dtype
    at = made.arena.offsets[op.out.buffer] + op.out.offset + low * item
    return Given(number, op.name, operators, op.out.buffer.name, dtype, at, count * item, places)


def _states(made: Compiled, number: int, op: Op, operators: tuple[int, ...]) -> Iterator[Given]:
    if isinstance(op, records.Svdf):
        yield _whole(made, number, op.name, operators, op.state, "int16" if op.wide else "int8")
    if isinstance(op, records.Lstm):
        yield _whole(made, number, op.name, operators, op.hidden, "int8")
        yield _whole(made, number, op.name, operators, op.cell, "int16")


def _whole(made: Compiled, number: int, kernel: str, operators: tuple[int, ...], view: View, dtype: str) -> Given:
    at = made.arena.offsets[view.buffer] + view.offset
    return Given(number, kernel, operators, view.buffer.name, dtype, at, view.buffer.size_bytes)


def _result(op: Op) -> tuple[int, str]:
    """How many values a record gives, and of which type."""
    match op:
        case records.Conv() | records.AvgPool():
            return op.win.batches * op.win.out_h * op.win.out_w * op.win.out_c, "int8"
        case records.Dense():
            return op.rows * op.out_c, "int8"
        case records.Mean():
            return math.prod(op.keep.dims), "int8"
        case records.Add() | records.Mul():
            return math.prod(op.dims), "int8"
        case records.Lut():
            return op.count, "int8"
        case records.Softmax():
            return op.rows * op.depth, "int16" if op.wide else "int8"
        case records.Copy():
            return math.prod(op.dims), _INTEGERS[op.elem_bytes]
        case records.Fill():
            return op.count, _INTEGERS[op.elem_bytes]
        case records.Dequantize():
            return op.count, "float32"
        case records.Quantize():
            return op.count, NAMES[op.dtype]
        case records.Requantize():
            return op.count, NAMES[op.out_dtype]
        case records.Svdf():
            batches, _, filters, rank, _ = op.shape
            return batches * (filters // rank), "int8"
        case records.Lstm():
            batches, steps, _, units = op.shape
            return batches * steps * units, "int8"
    raise ValueError(f"a record without a result: {op.name}")


def _walked(dims: tuple[int, ...], steps: tuple[int, ...]) -> NDArray[np.int64]:
    """The places of a walk, in its order and in elements from its first."""
    places = np.zeros(1, np.int64)
    for size, step in zip(dims, steps, strict=True):
        places = (places[:, None] + np.arange(size, dtype=np.int64) * step).ravel()
    return places


def _of_tensor(made: Compiled, view: View, item: int) -> str:
    """The type of the tensor that a buffer is named for, where its values are as long as `item`."""
    types = (tensor.dtype for tensor in made.graph.tensors if tensor.name == view.buffer.name)
    return next((dtype for dtype in types if dtype in DTYPES and np.dtype(dtype).itemsize == item), "")
