"""Features: C and Python compute the same bytes for any bits; they are those of the float steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from fronts import Drive, front, tensor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeq.errors import ConvertError, UsageError
from edgeq.micro.frontend.golden import golden_raw
from edgeq.micro.frontend.reference import quantized
from edgeq.micro.native import NativeModel
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.runtime import quantize

Step = Mapping[str, Any]
real = st.one_of(st.floats(-4, 4), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, -0.5, 1e-30, 1e12, 1e29]))
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


def features(*steps: Step) -> Preprocess:
    return parse({"input": "features", "steps": list(steps)})


def draw_steps(draw: st.DrawFn, width: int) -> list[Step]:
    def numbers() -> Any:
        return draw(real) if draw(st.booleans()) else draw(st.lists(real, min_size=width, max_size=width))

    found: list[Step] = []
    for _ in range(draw(st.integers(0, 3))):
        low = draw(real)
        clip = {"do": "clip", "low": low, "high": low + abs(draw(real)) + 1 + abs(low)}
        found.append(clip if draw(st.booleans()) else {"do": "scale", "multiply": numbers(), "add": numbers()})
    return found


@st.composite
def chains(draw: st.DrawFn) -> tuple[Preprocess, tuple[int, int], Raw]:
    """A chain, the shape of what it gives, and features."""
    rows, width = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    steps, shape = draw_steps(draw, width), (rows, width)
    if draw(st.booleans()):
        frames, hop = draw(st.integers(1, rows)), draw(st.integers(1, 3))
        shape = (1 + (rows - frames) // hop, width * frames)
        steps += [{"do": "stack", "frames": frames, "step": hop}, *draw_steps(draw, shape[1])]
    steps = steps or [{"do": "scale"}]
    kind = draw(st.sampled_from(["int16", "uint8", "float32", "float32"]))
    array = draw(hnp.arrays(kind, (rows, width), elements=FLOATS if kind == "float32" else None))
    return features(*steps), shape, Raw(array)


@given(chains(), st.sampled_from(["int8", "uint8", "int16"]), st.floats(-14, 10), st.integers(1, 99))
@settings(max_examples=250, suppress_health_check=list(HealthCheck))
def test_any_bits_through_any_chain(
    drive: Drive, chain: tuple[Preprocess, tuple[int, int], Raw], dtype: str, size: float, piece: int
) -> None:
    preprocess, shape, raw = chain
    zero_point = 101 if dtype == "uint8" else -5
    try:
        made = front(preprocess, tensor((1, *shape), dtype, math.exp(size), zero_point))
    except ConvertError as refused:
        assert "[preprocess]" in refused.message
        return
    expected = quantized(made.program, raw)
    assert drive(made.image, raw, piece) == (0, expected)
    with NativeModel(made.image) as model:
        assert model.preprocess(raw, [piece, 1, 2]) == expected


@pytest.mark.parametrize(("dtype", "scale"), [("int8", 0.0471), ("uint8", 1 / 64), ("int16", 3e-4)])
@pytest.mark.parametrize("kind", ["float32", "int16", "uint8", "float64"])
def test_integers_are_the_floats(kind: str, dtype: str, scale: float) -> None:
    """Standardized columns of very different sizes: all but one value in a thousand, and that is one step apart."""
    draw, width = np.random.default_rng(3), 9
    sizes = np.geomspace(1, 200, width) if kind != "float64" else np.geomspace(1e-6, 1e6, width)
    x = draw.normal(sizes, sizes / 3, (500, width))
    array = np.clip(np.round(x), 0, 255).astype(kind) if kind in ("int16", "uint8") else x.astype(kind)
    preprocess = features(
        {"do": "scale", "multiply": (3 / sizes).tolist(), "add": -3.0}, {"do": "clip", "low": -2.5, "high": 3.0}
    )
    zero_point = 100 if dtype == "uint8" else 0
    made = front(preprocess, tensor((1, 500, width), dtype, scale, zero_point))
    floats = quantize(preprocess.apply(Raw(array)), dtype, scale, zero_point).astype(int).ravel()
    expected = quantized(made.program, Raw(array))
    with NativeModel(made.image) as model:
        assert model.preprocess(Raw(array)) == expected
    apart = np.abs(np.frombuffer(expected, dtype).astype(int) - floats)
    assert np.mean(apart == 0) >= 0.999
    assert apart.max() <= 1


def test_halves_go_to_even_as_on_the_host() -> None:
    preprocess = features({"do": "scale", "multiply": 0.5, "add": 3.0})
    made, raw = front(preprocess, tensor((1, 256), "int16", 1.0, 7)), Raw(np.arange(256, dtype=np.uint8))
    assert quantized(made.program, raw) == quantize(preprocess.apply(raw), "int16", 1.0, 7).tobytes()


def test_no_number_is_zero_and_infinity_is_the_largest(drive: Drive) -> None:
    made = front(features({"do": "scale", "multiply": 2.0, "add": 9.0}), tensor((1, 4), scale=1.0))
    raw = Raw(np.array([np.nan, np.inf, -np.inf, 1e-45], np.float32))
    assert drive(made.image, raw) == (0, np.array([9, 127, -128, 9], np.int8).tobytes())
    assert quantized(made.program, raw) == np.array([9, 127, -128, 9], np.int8).tobytes()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (Raw(np.zeros((3, 5), np.float32)), b"last axis"),
        (Raw(np.zeros((2, 4), np.float32)), b"fewer or more"),
        (Raw(np.zeros((0, 4), np.float32)), b"fewer or more"),
        (Raw(np.zeros((4, 4), np.float32)), b"fewer or more"),
        (Raw(np.zeros((1, 3, 1, 4), np.float32)), b"up to 3 axes"),
        (Raw(np.zeros(12, np.int16), 16_000), b"without a rate"),
    ],
)
def test_other_features_are_refused_with_the_reason(drive: Drive, raw: Raw, why: bytes) -> None:
    made = front(features({"do": "scale", "multiply": [1.0, 2.0, 3.0, 4.0]}), tensor((1, 3, 4)))
    status, data = drive(made.image, raw)
    assert (status, why in data) == (-2, True)
    with pytest.raises(UsageError):
        quantized(made.program, raw)
    assert drive(made.image, Raw(np.zeros((1, 3, 4), np.uint8)))[0] == 0


def test_any_shape_with_as_many_numbers_is_taken(drive: Drive) -> None:
    made = front(features({"do": "scale", "multiply": 2.0}), tensor((1, 9000)))
    for shape in ((9000,), (90, 100), (2, 45, 100)):
        raw = Raw(np.arange(9000).reshape(shape).astype(np.int16))
        assert drive(made.image, raw, 77) == (0, quantized(made.program, raw))


def test_a_golden_vector_begins_with_features() -> None:
    steps, given = ({"do": "scale", "multiply": [0.5, 2.0]}, {"do": "stack", "frames": 2}), tensor((1, 2, 4))
    found = golden_raw(front(features(*steps), given).program, [Raw(np.zeros((9, 2))), Raw(np.ones((3, 2)))])
    assert found is not None
    raw, made = found
    with NativeModel(front(features(*steps), given, [(raw, [made]), (raw, [made[::-1]])]).image) as model:
        assert model.golden_raw(0) == 0
        assert model.golden_raw(1) > 0


@pytest.mark.parametrize(
    ("steps", "shape", "why"),
    [
        ([{"do": "stack", "frames": 2}, {"do": "stack", "frames": 2}], (2, 8), r"Step 2 \(stack\)"),
        ([{"do": "scale", "multiply": [1.0] * 5}], (3, 4), "rows of 5 values; .* has 12"),
        ([{"do": "stack", "frames": 3}], (3, 4), "rows of 4 values"),
        ([{"do": "scale", "multiply": [1.0] * 9000}], (9000,), "microcontrollers take 8192"),
        ([{"do": "scale", "multiply": 1e30}] * 12, (4,), "beyond all numbers"),
        ([{"do": "scale", "multiply": 1e30}] * 6, (4,), "too far up"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(steps: list[Step], shape: tuple[int, ...], why: str) -> None:
    with pytest.raises(ConvertError, match=why) as refused:
        front(features(*steps), tensor((1, *shape)))
    assert refused.value.hint
