"""The steps of images: resize, crop, colour. float64 [h, w, c] in, float64 out; the first may get uint8."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

_RADIUS = {"bilinear": 1.0, "bicubic": 2.0}
_GRAY = (0.299, 0.587, 0.114)


def resize(values: Mapping[str, Any], image: Array) -> Array:
    """To height x width, stretched, or with its aspect ratio kept: cut (cover) or with black bars (contain)."""
    import numpy as np

    height, width, fit = values["height"], values["width"], values["fit"]
    tall, wide = fitted(image.shape[0], image.shape[1], height, width, fit)
    how = values["filter"], values["antialias"]
    rows = _resampled(image, tall, *how)
    resized = _resampled(np.ascontiguousarray(rows.transpose(1, 0, 2)), wide, *how).transpose(1, 0, 2)
    if fit == "cover":
        return _centre(resized, height, width)
    if fit == "contain":
        canvas = np.zeros((height, width, image.shape[2]))
        top, left = (height - tall) // 2, (width - wide) // 2
        canvas[top : top + tall, left : left + wide] = resized
        return canvas
    return resized


def crop(values: Mapping[str, Any], image: Array) -> Array:
    """The middle; one row or column less before it than after it where it does not come out even."""
    return _centre(image, values["height"], values["width"])


def colour(values: Mapping[str, Any], image: Array) -> Array:
    """RGB or gray to the order that the model expects."""
    import numpy as np

    order = values["order"]
    if image.shape[2] == 1:
        return image if order == "gray" else np.repeat(image, 3, axis=2)
    if order == "gray":
        gray: Array = image @ np.array(_GRAY)[:, None]
        return gray
    return image[:, :, ::-1] if order == "bgr" else image


def fitted(tall: int, wide: int, height: int, width: int, fit: str) -> tuple[int, int]:
    """(height, width) to resize to before cutting or padding; in whole numbers, halves go up."""
    if fit == "stretch" or tall * width == wide * height:
        return height, width
    # Where the image is the wider one, its height decides how it covers, its width how it is contained.
    by_height = (wide * height > tall * width) == (fit == "cover")
    if by_height:
        return height, max(1, (2 * wide * height + tall) // (2 * tall))
    return max(1, (2 * tall * width + wide) // (2 * wide)), width


@lru_cache(maxsize=64)
def taps(size: int, wanted: int, filter: str, antialias: bool) -> tuple[Array, Array]:
    """For each of `wanted` positions along an axis of `size`: (indices, weights), both [wanted, taps].

    The weights of a position sum to 1."""
    import numpy as np

    if filter == "nearest":
        found = (2 * np.arange(wanted) + 1) * size // (2 * wanted)
        return found[:, None], np.ones((wanted, 1))
    ratio = size / wanted
    centre = (np.arange(wanted) + 0.5) * ratio
    if filter == "area":
        low, high = np.arange(wanted) * ratio, (np.arange(wanted) + 1) * ratio
        first = np.floor(low).astype(np.int64)
        count = int(np.max(np.ceil(high).astype(np.int64) - first))
        at = first[:, None] + np.arange(count)
        weights = np.minimum(at + 1, high[:, None]) - np.maximum(at, low[:, None])
    else:
        stretch = max(1.0, ratio) if antialias else 1.0
        reach = _RADIUS[filter] * stretch
        first = np.ceil(centre - reach - 0.5).astype(np.int64)
        at = first[:, None] + np.arange(int(np.floor(2 * reach)) + 1)
        weights = _KERNELS[filter]((at + 0.5 - centre[:, None]) / stretch)
    weights = np.where((at >= 0) & (at < size), np.maximum(weights, 0.0) if filter == "area" else weights, 0.0)
    used = np.any(weights != 0, axis=0)
    at, weights = np.clip(at[:, used], 0, size - 1), weights[:, used]
    return at, weights / weights.sum(axis=1, keepdims=True)


def _triangle(x: Array) -> Array:
    import numpy as np

    return np.maximum(0.0, 1.0 - np.abs(x))


def _keys(x: Array) -> Array:
    """Keys' cubic with a = -1/2."""
    import numpy as np

    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


_KERNELS = {"bilinear": _triangle, "bicubic": _keys}


def _resampled(image: Array, wanted: int, filter: str, antialias: bool) -> Array:
    """The first axis of [size, other, c] to `wanted`."""
    import numpy as np

    at, weights = taps(image.shape[0], wanted, filter, antialias)
    if at.shape[1] == 1:
        picked: Array = image[at[:, 0]]
        return picked
    flat = image.reshape(image.shape[0], -1)
    if at.shape[1] == 2:
        found: Array = weights[:, :1] * flat[at[:, 0]] + weights[:, 1:] * flat[at[:, 1]]
    else:
        # A product for each row: what it reads stays in the cache.
        found = np.empty((wanted, flat.shape[1]))
        for row in range(wanted):
            np.matmul(weights[row], flat[at[row]], out=found[row])
    return found.reshape(wanted, *image.shape[1:])


def _centre(image: Array, height: int, width: int) -> Array:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
