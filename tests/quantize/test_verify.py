from __future__ import annotations

import re

import numpy as np
import pytest
from zoo import RECIPES, images

from edgeq.errors import ConvertError
from edgeq.evaluate.predict import Variant, predict
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.quantize.convert import Variants
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.verify import check_integer, check_mode

LEAST_SQNR_DB = {
    "static_wi8_ai8": 15,
    "static_wi8_ai16": 18,
    "static_wi4_ai8": 4,
    "static_wi4_ai16": 4,
    "dynamic_wi8_afp32": 25,
    "dynamic_wi4_afp32": 4,
    "weight_only_wi8_afp32": 25,
    "weight_only_wi4_afp32": 4,
    "float16": 50,
    "float32": 200,
}


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_model_is_in_its_mode_and_computes_what_the_float_one_does(variants: Variants, recipe: Recipe) -> None:
    data = variants.models[recipe]
    check_mode(read_model(data), recipe)
    x = images(200)
    want = predict(Variant(variants.float_model, describe(read_model(variants.float_model))), x)
    got = predict(Variant(data, describe(read_model(data))), x)
    noise = float(np.square(got - want).mean())
    sqnr_db = 10 * np.log10(float(np.square(want).mean()) / noise) if noise else np.inf
    assert sqnr_db >= LEAST_SQNR_DB[recipe.mode]


@pytest.mark.parametrize(
    ("made", "promised", "words"),
    [
        (Recipe(), Recipe(granularity="tensor"), r"has \d+ scales; one per tensor was promised"),
        (Recipe(), Recipe("static_wi8_ai16"), "is int8; int16 was promised"),
        (Recipe(io="float32"), Recipe(), "'image' is float32; int8 was promised"),
        (Recipe(io="float32"), Recipe("static_wi8_ai16", io="float32"), "is int8; int16 was promised"),
        (Recipe("float32"), Recipe(io="float32"), "not fully integer: operator"),
        (Recipe("dynamic_wi8_afp32"), Recipe(io="float32"), "not fully integer: operator"),
        (Recipe("float16"), Recipe("float32"), "is float16; float32 was promised"),
        (Recipe("float32"), Recipe("float16"), "are float32; float16 was promised"),
        (Recipe("float32"), Recipe("dynamic_wi8_afp32"), "Nothing in the model would become int8"),
        (Recipe("dynamic_wi8_afp32"), Recipe("float32"), "are int8; float32 was promised"),
        (
            Recipe(io="float32"),
            Recipe("dynamic_wi8_afp32"),
            "is int8 with a scale; dynamic_wi8_afp32 computes in float32",
        ),
    ],
)
def test_a_model_in_another_mode_is_told(variants: Variants, made: Recipe, promised: Recipe, words: str) -> None:
    with pytest.raises(ConvertError) as caught:
        check_mode(read_model(variants.models[made]), promised)
    assert re.search(words, caught.value.message) and caught.value.hint


def test_integer_models_may_have_float_ends_only_where_they_were_asked_for(variants: Variants) -> None:
    check_integer(read_model(variants.models[Recipe()]))
    check_integer(read_model(variants.models[Recipe(io="float32")]), "float32")


def test_each_mode_has_its_size(variants: Variants) -> None:
    weights = {recipe.mode: read_model(data).weights_bytes for recipe, data in reversed(variants.models.items())}
    assert weights["float32"] > 1.9 * weights["float16"] > 1.9 * 1.5 * weights["static_wi8_ai8"]
    assert weights["dynamic_wi8_afp32"] < weights["float32"] / 2
