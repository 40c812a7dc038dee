from __future__ import annotations

import colorsys

import numpy as np
import pytest

from edgeq.evaluate.corrupt.images import IMAGES
from edgeq.preprocess import Raw

NAMED = {each.name: each for each in IMAGES}


def _image(size: int, channels: int = 3) -> Raw:
    return Raw(np.random.default_rng(0).integers(0, 256, (size, size + 2, channels), dtype=np.uint8))


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_gets_worse_with_severity_and_is_the_same_every_time(name: str, channels: int) -> None:
    smooth = np.linspace(20, 200, 90).astype(np.uint8)
    raw = Raw(np.repeat((smooth[:, None] // 2 + smooth[None] // 2)[:, :, None], channels, 2))
    off = []
    for severity in (1, 5):
        found = NAMED[name].corrupt(raw, severity, (0, 7, 0))
        assert found.array.dtype == np.uint8 and found.array.shape == raw.array.shape
        assert (found.array == NAMED[name].corrupt(raw, severity, (0, 7, 0)).array).all()
        off.append(np.abs(found.array.astype(int) - raw.array).mean())
    assert 0 < off[0] < off[1]


def test_small_pictures_have_levels_of_their_own() -> None:
    assert NAMED["noise"].level(_image(32), 5) == 0.10 and NAMED["noise"].level(_image(96), 5) == 0.38
    assert NAMED["jpeg"].level(_image(32), 1) == 80 and NAMED["jpeg"].level(_image(224), 1) == 25


def test_noise_has_its_sigma() -> None:
    grey = Raw(np.full((100, 100, 3), 128, np.uint8))
    found = NAMED["noise"].corrupt(grey, 1, (0, 0, 0)).array / 255
    assert found.std() == pytest.approx(0.08, rel=0.05)
    assert (found != NAMED["noise"].corrupt(grey, 1, (0, 1, 0)).array / 255).any()


def test_a_blur_is_a_gaussian_that_keeps_the_mean() -> None:
    point = np.zeros((81, 81, 1), np.uint8)
    point[40, 40] = 255
    found = NAMED["blur"].apply(Raw(point), 2.0, np.random.default_rng(0)).array[:, :, 0]
    assert found[40, 40] == round(255 / (2 * np.pi * 4)) and (found == found.T).all()
    flat = NAMED["blur"].corrupt(Raw(np.full((90, 90, 3), 77, np.uint8)), 5, (0,))
    assert (flat.array == 77).all()


def test_brightness_raises_the_value_and_keeps_the_hue() -> None:
    raw = Raw(np.array([[[200, 100, 50], [0, 0, 0], [255, 0, 10]]], np.uint8))
    found = NAMED["brightness"].apply(raw, 0.2, np.random.default_rng(0)).array[0]
    for before, after in zip(raw.array[0] / 255, found / 255, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.2)), abs=0.003)
