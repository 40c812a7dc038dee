"""Images: C and numpy compute the same bytes for any crop, resize and colour; they are those of the float steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import fronts
import numpy as np
import pytest
from fronts import Drive, front, tensor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.errors import ConvertError, UsageError
from edgeq.micro.frontend.pictures import lower_image
from edgeq.micro.frontend.program import Memory, Program, Stack
from edgeq.micro.frontend.reference import quantized
from edgeq.micro.graph import Tensor
from edgeq.micro.native import NativeModel
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.protocol.status import Status
from edgeq.runtime import quantize

Step = Mapping[str, Any]
side = st.integers(1, 24)


def image(*steps: Step) -> Preprocess:
    return parse({"input": "image", "steps": list(steps)})


def photo(height: int, width: int, channels: int, seed: int = 0) -> Raw:
    """Pixels of all values, with some structure."""
    draw = np.random.default_rng(seed)
    smooth = np.add.outer(np.arange(height) * 7, np.arange(width) * 5)[:, :, None] + draw.integers(0, 60, channels)
    return Raw((smooth + draw.integers(0, 30, (height, width, channels))).astype(np.uint8))


@st.composite
def chains(draw: st.DrawFn) -> tuple[Preprocess, tuple[int, int, int], Raw]:
    """A chain, the shape of what it gives, and an image."""
    tall, wide, channels = draw(side), draw(side), draw(st.sampled_from([1, 3]))
    steps: list[Step] = []
    size = (tall, wide)
    if draw(st.booleans()):
        size = (draw(st.integers(1, tall)), draw(st.integers(1, wide)))
        steps.append({"do": "crop", "height": size[0], "width": size[1]})
    if draw(st.booleans()):
        size = (draw(side), draw(side))
        how = {"filter": draw(st.sampled_from(["nearest", "bilinear"]))}
        how["fit"] = draw(st.sampled_from(["stretch", "cover", "contain"]))
        steps.append({"do": "resize", "height": size[0], "width": size[1], **how})
        if draw(st.booleans()):
            size = (draw(st.integers(1, size[0])), draw(st.integers(1, size[1])))
            steps.append({"do": "crop", "height": size[0], "width": size[1]})
    colour = draw(st.sampled_from(["", "rgb", "bgr", "gray"]))
    if colour:
        steps.insert(draw(st.integers(0, len(steps))), {"do": "colour", "order": colour})
    made = {"": channels, "gray": 1}.get(colour, 3)
    steps += draw(
        st.lists(
            st.sampled_from(
                [
                    {"do": "scale", "multiply": 1 / 127.5, "add": -1.0},
                    {"do": "scale", "multiply": [0.5 + 0.1 * c for c in range(made)], "add": 3.0},
                    {"do": "clip", "low": -0.5, "high": 100.0},
                ]
            ),
            max_size=3,
        )
    )
    return image(*steps), (*size, made), photo(tall, wide, channels, draw(st.integers(0, 99)))


@given(chains(), st.sampled_from(["int8", "uint8", "int16"]), st.sampled_from([1.0, 2 / 255, 0.5]), st.integers(1, 99))
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_any_chain(
    drive: Drive, chain: tuple[Preprocess, tuple[int, int, int], Raw], dtype: str, scale: float, piece: int
) -> None:
    preprocess, shape, raw = chain
    zero_point = 3 if dtype == "uint8" else -128
    made = front(preprocess, tensor((1, *shape), dtype, scale, zero_point))
    expected = quantized(made.program, raw)
    assert drive(made.image, raw, piece) == (0, expected)
    with NativeModel(made.image) as model:
        assert model.preprocess(raw, [piece]) == expected
    floats = quantize(preprocess.apply(raw), dtype, scale, zero_point).astype(int).ravel()
    apart = np.abs(np.frombuffer(expected, dtype).astype(int) - floats)
    assert apart.max() <= 1 if dtype != "int16" else apart.max() <= 2


def test_whole_pixels_are_exactly_the_floats() -> None:
    """A scale of 2 / 255 puts every pixel half way between two integers."""
    preprocess = image(
        {"do": "resize", "height": 9, "width": 7, "filter": "nearest"}, {"do": "scale", "multiply": 2 / 255}
    )
    made, raw = front(preprocess, tensor((1, 9, 7, 3), "int8", 4 / 255, -64)), photo(31, 17, 3)
    floats = quantize(preprocess.apply(raw), "int8", 4 / 255, -64)
    assert quantized(made.program, raw) == floats.tobytes()


def test_bilinear_is_the_floats_but_for_one_in_a_hundred() -> None:
    """Where sizes do not put pixels half way between two integers."""
    preprocess = image({"do": "resize", "height": 96, "width": 96}, {"do": "scale", "multiply": 1 / 255})
    made, raw = front(preprocess, tensor((1, 96, 96, 3), "int8", 1 / 255, -128)), photo(241, 319, 3)
    floats = quantize(preprocess.apply(raw), "int8", 1 / 255, -128).astype(int).ravel()
    apart = np.frombuffer(quantized(made.program, raw), np.int8).astype(int) - floats
    assert np.mean(apart != 0) < 0.01


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (photo(7, 9, 3), b"another size"),
        (photo(8, 9, 1), b"another number of channels"),
        (Raw(np.zeros((8, 9), np.uint8)), b"uint8 [height, width, 1 or 3]"),
        (Raw(np.zeros((8, 9, 2), np.uint8)), b"uint8 [height, width, 1 or 3]"),
        (Raw(np.zeros((8, 9, 3), np.float32)), b"uint8 [height, width, 1 or 3]"),
    ],
)
def test_another_image_is_refused_with_the_reason(drive: Drive, raw: Raw, why: bytes) -> None:
    made = front(image(), tensor((1, 8, 9, 3)))
    status, data = drive(made.image, raw)
    assert (status, why in data) == (-2, True)
    with pytest.raises(UsageError):
        quantized(made.program, raw)
    assert drive(made.image, photo(8, 9, 3))[0] == 0


def test_an_image_that_is_too_small_or_too_long_is_refused(drive: Drive) -> None:
    small = front(image({"do": "crop", "height": 9, "width": 9}), tensor((1, 9, 9, 3)))
    assert b"smaller" in drive(small.image, photo(9, 8, 3))[1]
    long = front(image({"do": "resize", "height": 90, "width": 90, "fit": "cover"}), tensor((1, 90, 90, 3)))
    assert b"too long" in drive(long.image, photo(1, 400, 3))[1]
    with pytest.raises(UsageError, match="too long"):
        quantized(long.program, photo(1, 400, 3))


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([{"do": "resize", "height": 8, "width": 9, "filter": "area"}], "nearest and bilinear"),
        ([{"do": "resize", "height": 8, "width": 9, "antialias": True}], "without antialias"),
        ([{"do": "scale", "multiply": 2}, {"do": "crop", "height": 8, "width": 9}], "before scale"),
        ([{"do": "crop", "height": 8, "width": 9}, {"do": "crop", "height": 8, "width": 9}], "one crop"),
        ([{"do": "resize", "height": 8, "width": 8}], "8 x 8"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(steps: list[Step], why: str) -> None:
    with pytest.raises(ConvertError, match=why):
        front(image(*steps), tensor((1, 8, 9, 3)))


def test_rows_of_a_picture_are_not_stacked(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody lowers that; of an image that says it, a step of 2^32 - 1 would keep the core busy for hours."""

    def stacked(preprocess: Preprocess, given: Tensor) -> Program:
        program, kept = lower_image(preprocess, given), Memory("kept", 4 * 4)
        picture, *rest = program.records
        return replace(program, memories=(*program.memories, kept), records=(picture, Stack(1, 2, kept), *rest))

    assert drive(front(image(), tensor((4, 4, 1))).image, photo(4, 4, 1))[0] == 0
    monkeypatch.setattr(fronts, "lower", stacked)
    assert drive(front(image(), tensor((4, 4, 1))).image, photo(4, 4, 1))[0] == -Status.INVALID
