"""Sensitivity: one layer that is made worse than the others is found, with what more bits buy there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from zoo import images

from edgeq.cli.telling_sensitivity import picture, tell_sensitivity
from edgeq.errors import UsageError
from edgeq.model.objects import float_constants, pack_tflite, store, unpack_tflite, values
from edgeq.quantize.convert import Variants
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.outputs import Runner, sqnr_db
from edgeq.quantize.recipe import Override, Recipe
from edgeq.quantize.samples import as_samples
from edgeq.quantize.sensitivity import analyse, divergence
from edgeq.quantize.task import in_worker
from edgeq.sensitivity import sensitivity


def spoilt(model: bytes) -> bytes:
    """One channel of the first convolution a thousand times larger, and undone by the next: the same function, and
    ranges in which the other channels vanish."""
    unpacked = unpack_tflite(model)
    constants = {tuple(tensor.shape): tensor for _, tensor in float_constants(unpacked, unpacked.subgraphs[0])}
    first, second = constants[(32, 3, 3, 2)], constants[(1, 3, 3, 32)]
    bias = next(tensor for shape, tensor in constants.items() if shape == (32,))
    factors = np.ones(32, np.float32)
    factors[5] = 1000
    store(unpacked, first, values(unpacked, first).reshape(32, -1) * factors[:, None])
    store(unpacked, bias, values(unpacked, bias) * factors)
    store(unpacked, second, values(unpacked, second).reshape(-1, 32) / factors)
    return pack_tflite(unpacked)


def test_a_spoilt_layer_is_the_first_of_the_ranking_and_floats_there_buy_it_back(variants: Variants) -> None:
    x = as_samples(images(24))
    model = spoilt(variants.float_model)
    healthy, sick = Runner(variants.float_model).answers(x), Runner(model).answers(x)
    assert sqnr_db(healthy, sick) > 90
    found = in_worker(analyse, "The analysis", model, x, {"recipe": Recipe().to_json()})
    worst, other, third, *_ = found["layers"]  # the tensor between two layers is what is spoilt
    assert {worst["operator"], other["operator"]} == {"CONV_2D", "DEPTHWISE_CONV_2D"}
    assert max(worst["alone_db"], other["alone_db"]) < third["alone_db"] - 6
    both = tuple(Override("static_wi8_ai16", tensor=layer["pattern"]) for layer in (worst, other))
    bought = sqnr_db(sick, Runner(quantize(model, x, Recipe(overrides=both))).answers(x))
    assert bought > found["sqnr_db"] + 10
    assert "loses" not in (told := tell_sensitivity(found)) and worst["name"] in told.splitlines()[4]
    drawn = picture(found)
    assert drawn.startswith("<svg xmlns=") and worst["name"].split("/")[-1] in drawn


def test_a_loss_that_no_layer_has_is_told_where_it_shows() -> None:
    layer = {"name": "dense", "operator": "FULLY_CONNECTED", "weights": 9, "alone_db": 45.9, "int16_db": -0.8}
    tensors = [{"name": name, "sqnr_db": noise, "saturated": 0.0} for name, noise in (("near", 40.0), ("scaled", 3.2))]
    found = {"sqnr_db": -0.8, "samples": 64, "recipe": {"mode": "static_wi8_ai8"}, "tensors": tensors}
    found |= {"layers": [{**layer, "float_db": -0.8}]}
    found |= {"divergence": {"first": "builtin", "second": "reference", "operator": ""}}
    told = tell_sensitivity(found)
    assert "alone each has 45.9 dB or more" in told and "most at 'scaled', which has 3.2 dB" in told
    evenly = tell_sensitivity({**found, "layers": [{**layer, "alone_db": 8.0, "float_db": -0.5}]})
    assert "spread evenly" in evenly and "'scaled'" not in evenly


def test_the_pattern_of_a_layer_is_an_override_of_it_alone(variants: Variants) -> None:
    x = as_samples(images(8))
    found = in_worker(analyse, "The analysis", variants.float_model, x, {"recipe": Recipe().to_json(), "samples": 4})
    assert found["samples"] == 4
    for layer in found["layers"]:
        recipe = Recipe(overrides=(Override("static_wi8_ai16", tensor=layer["pattern"]),))
        made = Runner(quantize(variants.float_model, x, recipe)).info
        wide = [operator.name for graph, operator in made.operators
                if operator.name not in ("QUANTIZE", "RESHAPE")
                and graph.tensors[operator.outputs[0]].dtype == "int16"]  # fmt: skip
        assert wide == [layer["operator"]]


def test_kernels_that_agree_have_no_first_difference(variants: Variants) -> None:
    model = variants.models[Recipe()]
    assert divergence(model, as_samples(images(3)), "reference", "reference").operator == ""


def test_tensors_are_compared_by_name(variants: Variants) -> None:
    x = as_samples(images(16))
    found = in_worker(analyse, "The analysis", variants.float_model, x, {"recipe": Recipe().to_json()})
    assert {tensor["dtype"] for tensor in found["tensors"]} == {"int8"}
    assert all(10 < tensor["sqnr_db"] < 60 and 0 <= tensor["saturated"] < 0.01 for tensor in found["tensors"])


def test_the_verb_refuses_what_has_no_floats_to_compare_with(variants: Variants, tmp_path: Path) -> None:
    path = tmp_path / "int8.tflite"
    path.write_bytes(variants.models[Recipe()])
    np.save(tmp_path / "x.npy", images(4))
    with pytest.raises(UsageError, match="is quantized already"):
        sensitivity(path, tmp_path / "x.npy")
    path.write_bytes(variants.float_model)
    with pytest.raises(UsageError, match="activations stay floats"):
        sensitivity(path, tmp_path / "x.npy", recipe=Recipe("dynamic_wi8_afp32"))
    assert sensitivity(path, tmp_path / "x.npy", compared=2)["samples"] == 2


def test_a_crash_in_a_task_is_one_sentence(variants: Variants) -> None:
    from edgeq.errors import ConvertError

    with pytest.raises(ConvertError, match="KeyError: 'recipe'"):
        in_worker(analyse, "The analysis", variants.float_model, as_samples(images(2)), {})
