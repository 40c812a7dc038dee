from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import flat
import numpy as np
import pytest
import tinymodel

from edgeq.evaluate.predict import Variant, predict
from edgeq.interface import Interface, Tensor
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.protocol import cbor
from edgeq.quantize.golden import first_sha256, from_samples, from_seed, make_golden
from edgeq.runtime import Model


def _quantized() -> Variant:
    model = tinymodel.converted().model
    return Variant(model, describe(read_model(model)))


@pytest.mark.parametrize("kernels", ["xnnpack", "reference"])
def test_golden_vectors_are_what_the_kernels_give(kernels: str) -> None:
    quantized = _quantized()
    golden = make_golden(quantized.model, from_samples(quantized.interface, tinymodel.samples()), kernels)
    decoded = cbor.loads(golden.encode())
    assert len(decoded["inputs"]) == len(decoded["outputs"]) == 8
    assert len({item[0] for item in decoded["inputs"]}) == 8
    model = Model(quantized.model, kernels=kernels)
    for inputs, outputs in zip(decoded["inputs"], decoded["outputs"], strict=True):
        assert model.invoke(inputs) == outputs


def test_fewer_samples_give_fewer_golden_vectors() -> None:
    quantized = _quantized()
    assert len(from_samples(quantized.interface, tinymodel.samples(3))) == 3


def test_the_first_input_is_told_apart_whatever_it_is_quantized_to() -> None:
    interface, data = _quantized().interface, tinymodel.samples()
    (tensor,) = interface.inputs
    coarse = replace(interface, inputs=(replace(tensor, scale=2 * tensor.scale),))
    assert from_samples(interface, data)[0] != from_samples(coarse, data)[0]
    assert first_sha256(interface, data) == first_sha256(coarse, data) == first_sha256(interface, data[:1])
    assert first_sha256(interface, data) != first_sha256(interface, data[1:])
    assert first_sha256(interface, None) == first_sha256(coarse, None)


def test_golden_vectors_of_two_inputs_follow_their_names() -> None:
    x, y = flat.Tensor((1, 2), "float32"), flat.Tensor((1, 1), "float32")
    model = flat.write_model([flat.Op("ADD", [x, y], [z := flat.Tensor((1, 2), "float32")])], [x, y], [z])
    interface = describe(read_model(model))
    data = {"t1": np.array([[10.0], [20.0]]), "t0": np.array([[1.0, 2.0], [3.0, 4.0]])}
    golden = make_golden(model, from_samples(interface, data), "reference")
    assert [np.frombuffer(item[0], "<f4").tolist() for item in golden.outputs] == [[11, 12], [23, 24]]


def test_drawn_inputs_are_of_each_inputs_kind() -> None:
    tensors = (
        Tensor("q", (1, 64), "int8", 0.5, 0),
        Tensor("raw", (1, 64), "uint8", 0.0, 0),
        Tensor("real", (1, 64), "float32", 0.0, 0),
        Tensor("index", (1, 64), "int32", 0.0, 0),
    )
    ((q, raw, real, index),) = from_seed(Interface(tensors, tensors[:1]), 1)
    assert np.ptp(np.frombuffer(q, "i1").astype(int)) > 200 and np.ptp(np.frombuffer(raw, "u1").astype(int)) > 200
    assert 0 < np.std(np.frombuffer(real, "<f4")) < 2
    assert set(np.frombuffer(index, "<i4")) == {0, 1}


def test_images_agree_with_float(shared_models: Path) -> None:
    """The official int8 model against the float one that our own conversion starts from is in test_build."""
    data = np.load(shared_models / "ic01_raw200.npz")
    official = (shared_models / "ic_mlperf_int8.tflite").read_bytes()
    variant = Variant(official, describe(read_model(official)))
    assert (predict(variant, data["x"]).argmax(axis=1) == data["y"].ravel()).mean() > 0.8
