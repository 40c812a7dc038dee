"""What happens to pictures: uint8 [h, w, 1 or 3].

Levels are those of ImageNet-C and, for small pictures, of CIFAR-10-C: Hendrycks and Dietterich, "Benchmarking Neural
Network Robustness to Common Corruptions and Perturbations", ICLR 2019. Values are rounded, where theirs are cut off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.picture import decode_image, encode_jpeg
from edgeq.evaluate.corrupt.corruption import Corruption
from edgeq.preprocess import Raw

Array = NDArray[Any]
SOURCE = "ImageNet-C, CIFAR-10-C"
_TRUNCATE = 4
"""A blur reaches so many times its sigma."""


def _noise(raw: Raw, sigma: float, random: np.random.Generator) -> Raw:
    return _pixels(raw, raw.array / 255 + random.normal(scale=sigma, size=raw.array.shape))


def _blur(raw: Raw, sigma: float, _: np.random.Generator) -> Raw:
    radius = int(_TRUNCATE * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return _pixels(raw, _along(_along(raw.array / 255, taps / taps.sum(), 0), taps / taps.sum(), 1))


def _along(values: Array, taps: Array, axis: int) -> Array:
    """Filtered along one axis; beyond the edges the last pixel goes on."""
    radius, size = len(taps) // 2, values.shape[axis]
    widths = [(radius, radius) if place == axis else (0, 0) for place in range(values.ndim)]
    padded = np.pad(values, widths, "edge")
    found = np.zeros_like(values)
    for place, tap in enumerate(taps):
        found += tap * np.take(padded, range(place, place + size), axis=axis)
    return found


def _brightness(raw: Raw, more: float, _: np.random.Generator) -> Raw:
    """The value of HSV is raised; hue and saturation stay."""
    values = raw.array / 255
    before = values.max(axis=2, keepdims=True)
    after = np.clip(before + more, 0, 1)
    return _pixels(raw, np.where(before > 0, values * after / np.where(before > 0, before, 1), after))


def _jpeg(raw: Raw, quality: float, _: np.random.Generator) -> Raw:
    return replace(raw, array=decode_image(encode_jpeg(raw.array, int(quality)), "a JPEG of edgeq's own").array)


def _pixels(raw: Raw, values: Array) -> Raw:
    return replace(raw, array=np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))


IMAGES = (
    Corruption("noise", "sigma", (0.08, 0.12, 0.18, 0.26, 0.38), _noise, (0.04, 0.06, 0.08, 0.09, 0.10), SOURCE),
    Corruption("blur", "sigma in pixels", (1, 2, 3, 4, 6), _blur, (0.4, 0.6, 0.7, 0.8, 1), SOURCE),
    Corruption(
        "brightness", "added value", (0.1, 0.2, 0.3, 0.4, 0.5), _brightness, (0.05, 0.1, 0.15, 0.2, 0.3), SOURCE
    ),
    Corruption("jpeg", "quality", (25, 18, 15, 10, 7), _jpeg, (80, 65, 58, 50, 40), SOURCE),
)
