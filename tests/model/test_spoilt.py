"""Models that somebody spoilt or made up: read, or refused in one sentence; `fuzz_tflite.py` tries a million."""

from __future__ import annotations

import random
import time
from collections import Counter

import flat
import numpy as np
import pytest
import single_ops
import test_hostile
import tinymodel
from hostile import judge, spoilt

from edgeq.errors import ArtifactError, ConvertError, EdgeqError
from edgeq.model.constants import check_finite
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.quantize.golden import from_seed
from edgeq.quantize.host import invoke_all

MUTATIONS = 400


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_spoilt_models_are_judged_without_a_crash(kind: str) -> None:
    both, rng = tinymodel.converted(), random.Random(kind)
    model = both.model if kind == "int8" else both.float_model
    start = time.process_time()
    outcomes = Counter(judge(spoilt(model, rng)) for _ in range(MUTATIONS))
    assert outcomes["ArtifactError"] > MUTATIONS / 20 and outcomes["judged"] > MUTATIONS / 20
    assert time.process_time() - start < 60


def _add(x: flat.Tensor, y: flat.Tensor) -> bytes:
    return flat.write_model([flat.Op("ADD", [x, x], [y])], [x], [y])


@pytest.mark.parametrize("shape", [(1 << 16, 1 << 16), (0x7FFFFFFF,) * 8, (1, 2, 1 << 30)])
def test_absurd_sizes_are_told(shape: tuple[int, ...]) -> None:
    x = flat.Tensor((1, *shape), "float32")
    with pytest.raises(ArtifactError, match=r"tensor 't0' claims \d+ bytes"):
        read_model(_add(x, x.like(x.shape)))


def test_a_zero_point_outside_of_its_type_is_told() -> None:
    x = flat.Tensor((1, 4), "int8", (0.5,), 200)
    with pytest.raises(ArtifactError, match="a zero point of tensor 't0' lies outside of int8"):
        read_model(_add(x, x.like((1, 4))))


def test_names_cannot_write_on_the_terminal() -> None:
    model = _add(flat.Tensor((1, 4), "float32"), flat.Tensor((1, 4), "float32"))
    evil = model.replace(b"t0\0", b"\x1b\n\0")
    assert read_model(evil).inputs[0].name == "??"


def test_a_model_without_inputs_or_outputs_is_told() -> None:
    x, y = flat.Tensor((1, 4), "float32", data=np.ones((1, 4), np.float32)), flat.Tensor((1, 4), "float32")
    with pytest.raises(ConvertError, match="has no input"):
        describe(read_model(flat.write_model([flat.Op("ADD", [x, x], [y])], [], [y])))
    z = flat.Tensor((1, 4), "float32")
    with pytest.raises(ConvertError, match="has no output"):
        describe(read_model(flat.write_model([flat.Op("ADD", [z, z], [y])], [z], [])))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_told_and_a_lone_infinity_is_not(value: float) -> None:
    x, y = flat.Tensor((1, 4), "float32"), flat.Tensor((1, 4), "float32")
    for data, told in ((np.array([1, value, 2, value], np.float32), True), (np.array([value], np.float32), False)):
        w = flat.Tensor(data.shape, "float32", data=data)
        model = flat.write_model([flat.Op("ADD", [x, w], [y])], [x], [y])
        if told or np.isnan(value):
            with pytest.raises(ConvertError, match=f"{2 if told else 1} of {len(data)} values of the tensor 't1'"):
                check_finite(model, read_model(model))
        else:
            check_finite(model, read_model(model))


def test_every_operators_models_are_read() -> None:
    for name in list(single_ops.OPS)[::4]:
        assert judge(test_hostile.drawn(name)[0]) in ("ok", "judged"), name


def test_spoilt_models_run_or_are_refused() -> None:
    rng, tried = random.Random(4), 0
    while tried < 6:
        data = spoilt(tinymodel.converted().model, rng)
        try:
            inputs = from_seed(describe(read_model(data)), 2)
        except EdgeqError:
            continue
        tried += 1
        try:
            for _ in invoke_all(data, "xnnpack", inputs):
                pass
        except EdgeqError as error:
            assert error.message and error.hint
