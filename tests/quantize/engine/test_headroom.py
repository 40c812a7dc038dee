from __future__ import annotations

import numpy as np
from flat import Op, Tensor, options, write_model

from edgeq.quantize.engine.headroom import with_headroom
from edgeq.quantize.engine.ranges import Range
from edgeq.quantize.recipe import HEADROOM_16, Override, Ranging, Recipe

RANGES = {f"t{index}": Range(-1.0, 2.0) for index in range(12)}
WIDE = Range(-HEADROOM_16, 2 * HEADROOM_16)


def model() -> bytes:
    """t0 -> ADD -> t1 -> MUL -> t2."""
    x, y, z = (Tensor((1, 4), "float32") for _ in range(3))
    return write_model([Op("ADD", [x, x], [y], options("Add")), Op("MUL", [y, y], [z], options("Mul"))], [x], [z])


def widened(recipe: Recipe) -> list[bool]:
    found = with_headroom(RANGES, model(), recipe)
    return [found[f"t{index}"] == WIDE for index in range(3)]


def test_tensors_of_16_bits_have_room_and_others_have_not() -> None:
    assert widened(Recipe("static_wi8_ai16")) == [True] * 3
    assert widened(Recipe()) == [False] * 3
    assert widened(Recipe(overrides=(Override("static_wi8_ai16", op="MUL"),))) == [False, False, True]


def test_a_recipe_that_says_its_headroom_has_that() -> None:
    assert widened(Recipe("static_wi8_ai16", ranges=Ranging(headroom=2.0))) == [False] * 3


def test_ranges_stay_what_they_were() -> None:
    before = dict(RANGES)
    with_headroom(RANGES, model(), Recipe("static_wi8_ai16"))
    assert before == RANGES and np.isfinite(HEADROOM_16)
