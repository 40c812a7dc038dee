"""Every kind of model that people bring, converted; and those that cannot be, told in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from zoo import images, zoo

from edgeq.errors import ConvertError, EdgeqError, UsageError
from edgeq.model.tflite import read_model
from edgeq.quantize.convert import Variants, convert, convert_all
from edgeq.quantize.recipe import Recipe

DRAW = np.random.default_rng(5)


@pytest.mark.parametrize("name", ["wide.h5", "hdf5.keras", "keras3"])
def test_forms_of_one_model_give_the_same_numbers(variants: Variants, name: str) -> None:
    made = convert(zoo() / name, images())
    expected = read_model(variants.models[Recipe()])
    info = read_model(made.model)
    assert info.op_counts() == expected.op_counts()
    assert [tensor.scales for tensor in info.inputs + info.outputs] == [
        tensor.scales for tensor in expected.inputs + expected.outputs
    ]


@pytest.mark.parametrize("name", ["module", "unsigned", "tf1"])
def test_saved_models_without_keras_convert(name: str) -> None:
    info = read_model(convert(zoo() / name, images()).model)
    assert [tensor.name for tensor in info.inputs + info.outputs] == ["image", "mean"]
    assert "CONV_2D" in info.op_counts()


def test_two_inputs_are_calibrated_by_their_names() -> None:
    data = {"second": DRAW.uniform(-9, 9, (50, 3, 2)), "first": DRAW.uniform(-1, 1, (50, 4))}
    first, second = read_model(convert(zoo() / "two.keras", data).model).inputs
    assert (first.name, second.name) == ("first", "second")
    assert first.scales[0] * 255 == pytest.approx(2, rel=0.1)
    assert second.scales[0] * 255 == pytest.approx(18, rel=0.1)


def test_two_inputs_need_two_arrays() -> None:
    with pytest.raises(UsageError, match=r"has 2 inputs \('first', 'second'\); a sample of the data has 1 array"):
        convert(zoo() / "two.keras", np.ones((4, 7)))


def test_indexes_stay_whole_numbers() -> None:
    words = DRAW.integers(0, 200, (30, 6))
    info = read_model(convert(zoo() / "words.keras", words).model)
    assert [tensor.dtype for tensor in info.inputs + info.outputs] == ["int32", "int8"]
    wide = read_model(convert(zoo() / "words.keras", words, recipe=Recipe("static_wi8_ai16")).model)
    assert [tensor.dtype for tensor in wide.inputs + wide.outputs] == ["int32", "int16"]


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("only.weights.h5", "'only.weights.h5' holds weights only, and not the layers", "model.save('model.keras')"),
        ("cut.h5", "'cut.h5' is damaged", "Save the model again"),
        ("sick.keras", "1 of 576 values of the tensor '.*conv2d.*' are NaN or infinite", "checkpoint"),
        ("other", r"has no signature 'serving_default' \(it has: predict\)", "model.export"),
        ("flex.tflite", "needs TensorFlow's Flex delegate .* for Erf", "builtin operators"),
        ("custom.tflite", r"uses custom operators \(Erf\)", "Replace them"),
        ("open.tflite", r"has the shape \[\?, \?, 4\]; every axis but the first must have a fixed size", "full shape"),
    ],
)
def test_what_cannot_be_converted_is_told_in_one_sentence(name: str, words: str, hint: str) -> None:
    with pytest.raises(ConvertError, match=words) as caught:
        convert(zoo() / name, images(4))
    assert "\n" not in caught.value.message and hint in caught.value.hint


def test_a_mode_without_calibration_needs_no_data_and_the_others_say_so() -> None:
    recipes = [Recipe("float16"), Recipe("dynamic_wi8_afp32"), Recipe("float32")]
    made = convert_all(zoo() / "wide.keras", None, recipes)
    assert made.models[Recipe("float32")] == made.float_model
    with pytest.raises(UsageError, match="static_wi8_ai8 needs representative data"):
        convert_all(zoo() / "wide.keras", None, [*recipes, Recipe()])


@pytest.mark.parametrize("mode", ["static_wi8_ai8", "float16", "dynamic_wi8_afp32"])
def test_a_model_that_is_quantized_already_is_not_quantized_again(variants: Variants, tmp_path: Any, mode: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(variants.models[Recipe(mode)])
    with pytest.raises(ConvertError, match=f"is int8; edgeq quantizes|is quantized already \\({mode}\\)"):
        convert(path, images(4))


def test_data_that_is_not_finite_names_the_sample() -> None:
    data = images(4)
    data[2, 0, 0, 0] = np.nan
    with pytest.raises(EdgeqError, match="Sample 2 has values that are not finite"):
        convert(zoo() / "wide.keras", data)
    with pytest.raises(UsageError, match="holds no samples"):
        convert(zoo() / "wide.keras", data[:0])
