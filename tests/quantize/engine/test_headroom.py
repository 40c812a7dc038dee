from __future__ import annotations

import numpy as np
from flat import Op, Tensor, options, write_model

from edgeq.quantize.engine.headroom import with_headroom
from edgeq.quantize.engine.ranges import Range
from edgeq.quantize.recipe import HEADROOM_16, Override, Ranging, Recipe

RANGES = {f"t{index}": Range(-1.0, 2.0) for index in range(12)}
WIDE = Range(-HEADROOM_16, 2 * HEADROOM_16)


def model() -> bytes:
    """t0 -> ADD -> t1 -> MUL -> t2 -> MUL -> t3 -> SUB -> t4."""
    ends = [Tensor((1, 4), "float32") for _ in range(5)]
    names = ("Add", "Mul", "Mul", "Sub")
    steps = zip(names, ends, ends[1:], strict=False)
    operators = [Op(name.upper(), [before, before], [after], options(name)) for name, before, after in steps]
    return write_model(operators, [ends[0]], [ends[-1]])


def widened(recipe: Recipe) -> list[bool]:
    found = with_headroom(RANGES, model(), recipe)
    return [found[f"t{index}"] == WIDE for index in range(5)]


def test_tensors_of_16_bits_have_room_and_others_have_not() -> None:
    assert widened(Recipe("static_wi8_ai16")) == [True] * 5
    assert widened(Recipe()) == [False] * 5
    assert widened(Recipe(overrides=(Override("static_wi8_ai16", op="MUL"),))) == [False, False, True, False, False]


def test_inputs_and_outputs_of_8_bits_have_none() -> None:
    """With 4 times the range an int8 input loses two of its bits, whatever the operators behind it compute in."""
    ends = (Override("static_wi8_ai16", op="ADD"), Override("static_wi8_ai16", op="SUB"))
    assert widened(Recipe(overrides=ends)) == [False] * 5
    assert widened(Recipe(io="float32", overrides=ends)) == [True, False, False, False, True]


def test_a_recipe_that_says_its_headroom_has_that() -> None:
    assert widened(Recipe("static_wi8_ai16", ranges=Ranging(headroom=2.0))) == [False] * 5


def test_ranges_stay_what_they_were() -> None:
    before = dict(RANGES)
    with_headroom(RANGES, model(), Recipe("static_wi8_ai16"))
    assert before == RANGES and np.isfinite(HEADROOM_16)
