"""4-bit weights layer by layer: every step is smaller, the cheapest layers come first, few steps are worth a trial."""

from __future__ import annotations

from dataclasses import replace

import pytest
from floatnets import FloatNet, answers, samples

from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.outputs import sqnr_db
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair import mixed
from edgeq.quantize.repair.mixed import FOUR_BITS, SAVINGS, Step, chosen, steps
from edgeq.quantize.samples import as_samples

MODEL = FloatNet(6, "cccc").model


@pytest.fixture(autouse=True)
def small_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "LEAST", 32)


def test_every_step_has_one_layer_more_in_4_bits_and_the_size_that_it_says() -> None:
    x = as_samples(samples())
    walked = steps(MODEL, x, Recipe(repairs=("equalize",)))
    assert walked[0].recipe == Recipe(repairs=("equalize",))
    assert [len(step.recipe.overrides) for step in walked] == list(range(len(walked))) and len(walked) > 2
    assert {step.recipe.repairs for step in walked[1:]} == {("equalize", *FOUR_BITS)}
    sizes = [step.size_bytes for step in walked]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes == [len(quantize(MODEL, x, replace(step.recipe, repairs=()))) for step in walked]


def test_the_first_layers_lose_less_than_the_last_for_what_they_save() -> None:
    x = samples()
    wanted = answers(MODEL, x)

    def noise(recipe: Recipe) -> float:
        return float(10 ** (-sqnr_db(wanted, answers(quantize(MODEL, as_samples(x), recipe), x)) / 10))

    walked = steps(MODEL, as_samples(x), Recipe())
    whole, saved = walked[0].size_bytes, walked[1].size_bytes - walked[0].size_bytes
    first, last = (Recipe(overrides=(walked[-1].recipe.overrides[place],)) for place in (0, -1))
    last_saved = len(quantize(MODEL, as_samples(x), last)) - whole
    assert noise(first) / saved > noise(last) / last_saved  # both savings are negative


@pytest.mark.parametrize(
    ("sizes", "places"),
    [([1000], []), ([1000, 1000], []), ([1000, 600], [1]), ([1000, 800, 700, 640, 610, 600], [1, 2, 3, 5])],
)
def test_few_steps_are_worth_a_trial(sizes: list[int], places: list[int]) -> None:
    walked = [Step(Recipe(io=("int8" if place % 2 else "auto")), size) for place, size in enumerate(sizes)]
    named = {id(step.recipe): place for place, step in enumerate(walked)}
    assert [named[id(recipe)] for recipe in chosen(walked)] == places
    assert len(chosen(walked)) <= len(SAVINGS)
