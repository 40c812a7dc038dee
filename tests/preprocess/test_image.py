"""Resize, crop and colour, held to TensorFlow and Pillow (recorded by `record_cases.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.preprocess import PreprocessError, Raw, parse
from edgeq.preprocess.image import fitted

CASES = np.load(Path(__file__).resolve().parents[1] / "cases" / "preprocess" / "image.npz")
IMAGE = CASES["image"]
RECORDED = sorted(name for name in CASES.files if name != "image")


def applied(image: np.ndarray, *steps: dict[str, Any]) -> np.ndarray:
    return parse({"input": "image", "steps": list(steps)}).apply(Raw(image))


@pytest.mark.parametrize("name", RECORDED)
def test_resize_gives_what_tensorflow_and_pillow_give(name: str) -> None:
    library, filter, *antialias, size = name.split("_")
    height, width = map(int, size.split("x"))
    step = {"do": "resize", "height": height, "width": width, "filter": filter}
    found = applied(IMAGE, {**step, "antialias": antialias == ["True"] or library == "pillow"})
    # TensorFlow's bicubic without antialias takes its weights from a table of 1024 places.
    tolerance = 0.3 if (filter, antialias) == ("bicubic", ["False"]) else 1e-4 * 255
    wanted = CASES[name] if library == "tf" else CASES[name][:, :, None]
    np.testing.assert_allclose(found[:, :, : wanted.shape[2]], wanted, rtol=0, atol=tolerance)


def test_an_image_without_steps_is_its_pixels() -> None:
    found = applied(IMAGE)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, IMAGE)


@pytest.mark.parametrize(
    ("size", "wanted", "fit", "expected"),
    [
        ((480, 640), (224, 224), "stretch", (224, 224)),
        ((480, 640), (224, 224), "cover", (224, 299)),
        ((480, 640), (224, 224), "contain", (168, 224)),
        ((640, 480), (96, 48), "cover", (96, 72)),
        ((100, 100), (30, 60), "contain", (30, 30)),
        ((1, 1000), (10, 10), "contain", (1, 10)),
    ],
)
def test_the_aspect_ratio_is_kept(
    size: tuple[int, int], wanted: tuple[int, int], fit: str, expected: tuple[int, int]
) -> None:
    assert fitted(*size, *wanted, fit) == expected


@given(*[st.integers(1, 3000)] * 2, *[st.integers(1, 500)] * 2)
@settings(max_examples=200)
def test_cover_covers_and_contain_is_contained(tall: int, wide: int, height: int, width: int) -> None:
    covering, contained = fitted(tall, wide, height, width, "cover"), fitted(tall, wide, height, width, "contain")
    assert covering[0] >= height
    assert covering[1] >= width
    assert height in covering[:1] or width in covering[1:]
    assert contained[0] <= height
    assert contained[1] <= width


def test_cover_cuts_the_middle_and_contain_leaves_black_bars() -> None:
    image = np.zeros((4, 8, 1), np.uint8)
    image[:, 2:6] = 200
    step = {"do": "resize", "height": 4, "width": 4, "filter": "nearest"}
    assert applied(image, {**step, "fit": "cover"}).min() == 200
    contained = applied(np.full((4, 8, 1), 200, np.uint8), {**step, "fit": "contain"})
    assert contained[:, :, 0].tolist() == [[0] * 4, [200] * 4, [200] * 4, [0] * 4]


def test_crop_takes_the_middle() -> None:
    found = applied(IMAGE, {"do": "crop", "height": 5, "width": 4})
    np.testing.assert_array_equal(found, IMAGE[3:8, 3:7])


def test_crop_refuses_a_smaller_image() -> None:
    with pytest.raises(PreprocessError, match=r"Step 1 \(crop\): the image is 12 x 10, smaller than 20 x 4"):
        applied(IMAGE, {"do": "crop", "height": 20, "width": 4})


def test_colour() -> None:
    np.testing.assert_array_equal(applied(IMAGE, {"do": "colour", "order": "bgr"}), IMAGE[:, :, ::-1])
    gray = applied(IMAGE, {"do": "colour", "order": "gray"})
    np.testing.assert_allclose(gray[:, :, 0], IMAGE @ np.array([0.299, 0.587, 0.114]), rtol=1e-6)
    assert applied(IMAGE[:, :, :1], {"do": "colour", "order": "rgb"}).shape == (12, 10, 3)
    assert applied(IMAGE[:, :, :1], {"do": "colour", "order": "gray"}).shape == (12, 10, 1)


def test_normalization_with_a_number_for_each_channel() -> None:
    found = applied(
        IMAGE, {"do": "scale", "multiply": [1, 2, 4], "add": [-1, 0, 0.5]}, {"do": "clip", "low": 0, "high": 9}
    )
    np.testing.assert_allclose(found, np.clip(IMAGE * [1.0, 2, 4] + [-1, 0, 0.5], 0, 9))


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.int16)]
)
def test_what_is_no_image_is_refused(array: np.ndarray) -> None:
    with pytest.raises(PreprocessError, match="expects an image: uint8"):
        applied(array)
