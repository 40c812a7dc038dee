"""What the record of a picture computes, in numpy's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.micro.frontend import program as p
from edgeq.preprocess import Raw
from edgeq.preprocess.image import fitted

PART_BITS = 16
GRAY = (19595, 38470, 7471)
SIDE_MOST = 8192
FITTED_MOST = 16384
Array = NDArray[Any]


def rows(program: p.Program, raw: Raw) -> Array:
    """int64 [height, width * channels], pixels in 16 fractional bits. `UsageError` for an image that is refused."""
    record = program.records[0]
    assert isinstance(record, p.Picture)
    image = raw.array
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise UsageError("The input is no image: uint8 [height, width, 1 or 3].")
    if not record.colour and image.shape[2] != record.channels:
        raise UsageError(f"The image has {image.shape[2]} channels; the release expects {record.channels}.")
    if max(image.shape) > SIDE_MOST:
        raise UsageError(f"The image is larger than {SIDE_MOST} pixels.", "Send a smaller one.")
    if record.crop_height:
        image = _middle(image, record.crop_height, record.crop_width)
    x = _coloured(record, image)
    height, width = x.shape[:2]
    if record.fit:
        sides = record.resized_height, record.resized_width
        tall, wide = fitted(height, width, *sides, p.FITS[record.fit])
        if max(tall, wide) > FITTED_MOST:
            raise UsageError("The image is too long for its width, or too wide.", "Cut it.")
        x = _resized(_resized(x, wide, 1, record.nearest), tall, 0, record.nearest)
        x = _placed(_placed(x, sides[0], 0), sides[1], 1)
        x = _middle(x, record.height, record.width)
    elif (height, width) != (record.height, record.width):
        raise UsageError(f"The image is {height} x {width}; the release expects {record.height} x {record.width}.")
    found: Array = x.reshape(record.height, record.width * record.channels)
    return found


def _middle(x: Array, height: int, width: int) -> Array:
    if x.shape[0] < height or x.shape[1] < width:
        raise UsageError(f"The image is smaller than {height} x {width}.", "Send a larger one.")
    top, left = (x.shape[0] - height) // 2, (x.shape[1] - width) // 2
    return x[top : top + height, left : left + width]


def _coloured(record: p.Picture, image: Array) -> Any:
    x = image.astype(np.int64)
    order = p.COLOURS[record.colour]
    if order == "gray" and x.shape[2] == 3:
        return (x @ np.array(GRAY))[:, :, None]
    if order == "bgr":
        x = x[:, :, ::-1]
    return np.repeat(x, record.channels // x.shape[2], axis=2) << PART_BITS


def _resized(x: Array, wanted: int, axis: int, nearest: bool) -> Any:
    size = x.shape[axis]
    middle = (2 * np.arange(wanted) + 1) * size
    if nearest:
        return np.take(x, middle // (2 * wanted), axis)
    place = np.clip(middle - wanted, 0, None)
    first = np.minimum(place // (2 * wanted), size - 1)
    part = ((place % (2 * wanted) << PART_BITS) + wanted) // (2 * wanted)
    part = np.where((first + 1 < size) & (middle >= wanted), part, 0).reshape(-1, *(1,) * (2 - axis))
    one, other = (np.take(x, at, axis) for at in (first, np.minimum(first + 1, size - 1)))
    return (one * ((1 << PART_BITS) - part) + other * part + (1 << (PART_BITS - 1))) >> PART_BITS


def _placed(x: Array, wanted: int, axis: int) -> Any:
    """The middle along an axis, or with bars of black around it."""
    over = x.shape[axis] - wanted
    if over >= 0:
        return np.take(x, np.arange(over // 2, over // 2 + wanted), axis)
    bars = [(0, 0)] * 3
    bars[axis] = (-over // 2, -over - -over // 2)
    return np.pad(x, bars)
