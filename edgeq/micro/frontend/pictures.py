"""Preprocessing of images, lowered: one record for where pixels come from, then a table or a few for their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgeq.errors import ConvertError
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.samples import EXTERNAL, Samples
from edgeq.micro.frontend.values import Values, integer_input
from edgeq.micro.graph import Tensor
from edgeq.micro.lower.context import DTYPES
from edgeq.preprocess import Preprocess
from edgeq.preprocess.features import clip, scale
from edgeq.preprocess.step import Step
from edgeq.runtime import quantize

PART_BITS = 16
PIXEL_MOST = 255.0
_FILTERS = ("nearest", "bilinear")


@dataclass(frozen=True)
class _Shape:
    """What the geometric steps say; a height of 0 is one that no step says."""

    crop: tuple[int, int] = (0, 0)
    resized: tuple[int, int] = (0, 0)
    cut: tuple[int, int] = (0, 0)
    fit: str = ""
    nearest: bool = False
    colour: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every value is that of one pixel."""
        return self.colour != "gray" and (not self.fit or self.nearest)


def lower_image(preprocess: Preprocess, tensor: Tensor) -> p.Program:
    """The front end of images. `ConvertError` names a step that cannot be done."""
    integer_input(tensor)
    steps = preprocess.steps
    geometric = next((number for number, step in enumerate(steps) if step.do in ("scale", "clip")), len(steps))
    shape = _Shape()
    for number, step in enumerate(steps):
        if number > geometric and step.do not in ("scale", "clip"):
            raise _refused(number, step, "on microcontrollers it comes before scale and clip")
        if number < geometric:
            shape = _add(shape, number, step)
    height, width, channels = _sizes(shape, tensor)
    picture = p.Picture(
        height, width, channels, p.COLOURS.index(shape.colour), *shape.crop, p.FITS.index(shape.fit), *shape.resized,
        shape.nearest,
    )  # fmt: skip
    rest = steps[geometric:]
    if shape.is_whole:
        records: tuple[p.Record, ...] = (_lookup(rest, channels, tensor),)
    else:
        values = Values(Samples(0), geometric, width * channels, -PART_BITS, 0.0, PIXEL_MOST)
        for number, step in enumerate(rest, geometric):
            values.add(number, _tiled(step, width))
        records = (*values.records, values.quantize(tensor))
    row = 4 * width * channels
    memories = (p.Memory("clip", 2), p.Memory("work", 2 * row), p.Memory("values", row))
    return p.Program(p.IMAGE, 0, 1, 1, 0, height, memories, (picture, *records))


def _refused(number: int, step: Step, why: str) -> ConvertError:
    return ConvertError(f"Step {number + 1} ({step.do}) of [preprocess]: {why}.", EXTERNAL)


def _add(shape: _Shape, number: int, step: Step) -> _Shape:
    v = step.values
    if step.do == "colour":
        return replace(shape, colour=v["order"])
    sides = (v["height"], v["width"])
    if step.do == "crop":
        if shape.cut != (0, 0) or (not shape.fit and shape.crop != (0, 0)):
            raise _refused(number, step, "on microcontrollers there is one crop before a resize and one behind it")
        return replace(shape, cut=sides) if shape.fit else replace(shape, crop=sides)
    if shape.fit:
        raise _refused(number, step, "there was a resize before")
    if v["filter"] not in _FILTERS or (v["antialias"] and v["filter"] != "nearest"):
        raise _refused(number, step, "microcontrollers resize by nearest and bilinear, without antialias")
    return replace(shape, resized=sides, fit=v["fit"], nearest=v["filter"] == "nearest")


def _sizes(shape: _Shape, tensor: Tensor) -> tuple[int, int, int]:
    """Height, width and channels of the result; `ConvertError` where the model's input has others."""
    height, width = shape.cut if shape.cut[0] else shape.resized if shape.fit else shape.crop
    elements = math.prod(tensor.shape)
    if not height:
        if len(tensor.shape) < 3:
            raise ConvertError(
                f"The model's input {list(tensor.shape)} does not say the size of an image.",
                "Put a resize step into [preprocess].",
            )
        height, width = tensor.shape[-3], tensor.shape[-2]
    channels = elements // (height * width)
    wanted = {"gray": (1,), "": (1, 3)}.get(shape.colour, (3,))
    if channels * height * width != elements or channels not in wanted:
        told = " or ".join(map(str, wanted))
        raise ConvertError(
            f"[preprocess] gives images of {height} x {width} x {told}; the model's input is {list(tensor.shape)}.",
            "Change [preprocess] so that the image fills the input.",
        )
    return height, width, channels


def _tiled(step: Step, width: int) -> Step:
    """Lists are along the last axis; a row is `width` times that."""
    values = {key: value * width if isinstance(value, tuple) else value for key, value in step.values.items()}
    return Step(step.do, values)


def _lookup(steps: Sequence[Step], channels: int, tensor: Tensor) -> p.Lookup:
    """Every value that a pixel may have, computed as `Preprocess.apply` and the interface do."""
    x = np.broadcast_to(np.arange(256, dtype=np.float64)[:, None], (256, channels))
    for step in steps:
        x = (scale if step.do == "scale" else clip)(step.values, x)
    made = quantize(x.astype(np.float32), tensor.dtype, tensor.scale, tensor.zero_point)
    return p.Lookup(DTYPES[tensor.dtype], channels, np.ascontiguousarray(made.T))
