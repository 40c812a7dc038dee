"""Variants of samples: as many as training wants from a few. The float model says what is right for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Array = NDArray[Any]

SHIFT = 0.125
"""How far a picture is moved at most, as a share of its width."""


def resolved(augment: str, shapes: Sequence[tuple[int, ...]], labelled: bool) -> str:
    """What "auto" comes to: pictures are mirrored and moved; other samples are mixed, unless they have labels."""
    if augment != "auto":
        return augment
    if len(shapes) == 1 and _picture(shapes[0]):
        return "image"
    return "none" if labelled else "mix"


def augmented(how: str, values: Sequence[Array], draw: np.random.Generator) -> list[Array]:
    """A batch (one array for each input, batch in front) changed by `how`; inputs of whole numbers stay as they are."""
    if how == "none" or any(each.dtype.kind != "f" for each in values):
        return list(values)
    if how == "image":
        values = [_moved(each, draw) if _picture(each.shape) else each for each in values]
    return _mixed(values, draw) if how == "mix" else list(values)


def _picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[3] == 3 and min(shape[1:3]) >= 16


def _mixed(values: Sequence[Array], draw: np.random.Generator) -> list[Array]:
    """Half of the samples with a part of another one of the batch."""
    count = len(values[0])
    other = draw.permutation(count)
    share = np.where(draw.random(count) < 0.5, draw.uniform(0.0, 0.4, count), 0.0)
    made = []
    for each in values:
        part = share.reshape(-1, *[1] * (each.ndim - 1)).astype(np.float32)
        made.append(np.asarray(each * (1 - part) + each[other] * part, np.float32))
    return made


def _moved(pictures: Array, draw: np.random.Generator) -> Array:
    """Each mirrored or not, and moved; what comes in at an edge repeats it."""
    height, width = pictures.shape[1:3]
    far = (max(1, int(height * SHIFT)), max(1, int(width * SHIFT)))
    padded = np.pad(pictures, ((0, 0), (far[0], far[0]), (far[1], far[1]), (0, 0)), mode="reflect")
    made = np.empty_like(pictures)
    for index in range(len(pictures)):
        down, right = draw.integers(0, 2 * far[0] + 1), draw.integers(0, 2 * far[1] + 1)
        cut = padded[index, down : down + height, right : right + width]
        made[index] = cut[:, ::-1] if draw.random() < 0.5 else cut
    return made
