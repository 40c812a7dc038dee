from __future__ import annotations

from pathlib import Path

import pytest
from test_streaming import svdf_model
from zoo import RECIPES

from edgeq.model.tflite import read_model
from edgeq.quantize.convert import Variants, given_mode
from edgeq.quantize.detect import Detected, detect_mode
from edgeq.quantize.recipe import Recipe


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_what_was_converted_is_recognized(variants: Variants, recipe: Recipe) -> None:
    found = detect_mode(read_model(variants.models[recipe]))
    assert found == Detected(recipe.mode, recipe.granularity, recipe.io_type)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kws_mlperf_int8", Detected("static_wi8_ai8", "channel", "int8")),
        ("ic_mlperf_int8", Detected("static_wi8_ai8", "channel", "int8")),
        ("ad_mlperf_int8", Detected("static_wi8_ai8", "tensor", "int8")),
        ("kws_float", Detected("float32", "channel", "float32")),
    ],
)
def test_models_of_others_are_recognized(shared_models: Path, name: str, expected: Detected) -> None:
    assert detect_mode(read_model((shared_models / f"{name}.tflite").read_bytes())) == expected


def test_what_is_given_passes_through_or_is_float(variants: Variants, tmp_path: Path) -> None:
    path = tmp_path / "model.TFLITE"
    for recipe in (Recipe(), Recipe("static_wi8_ai16"), Recipe("float16")):
        path.write_bytes(variants.models[recipe])
        assert given_mode(path) == (variants.models[recipe], Detected(recipe.mode, "channel", recipe.io_type))
    path.write_bytes(variants.float_model)
    assert given_mode(path) is None
    assert given_mode(tmp_path) is None


def test_a_finer_state_is_no_other_mode() -> None:
    found = detect_mode(read_model(svdf_model()))
    assert found is not None
    assert (found.mode, found.io) == ("static_wi8_ai8", "int8")
