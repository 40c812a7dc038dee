from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import flat
import numpy as np
import pytest
import tinymodel

from edgeq.errors import UsageError
from edgeq.evaluate.evaluation import evaluate
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.predict import Variant, predict
from edgeq.interface import Interface, Tensor
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.protocol import cbor
from edgeq.quantize.golden import from_samples, from_seed, make_golden
from edgeq.quantize.samples import as_samples
from edgeq.runtime import Model


def _variants() -> tuple[Variant, Variant]:
    both = tinymodel.converted()
    return tuple(Variant(data, describe(read_model(data))) for data in (both.float_model, both.model))  # type: ignore[return-value]


def test_float_and_int8_are_counted_on_the_same_samples() -> None:
    reference, quantized = _variants()
    x = tinymodel.samples(60)
    truth = predict(reference, x).argmax(axis=1)
    wrong = (truth + 1) % 3
    labels = np.where(np.arange(60) < 45, truth, wrong)
    found = evaluate(reference, quantized, Labelled(as_samples(x), labels, "abc"), "xnnpack")
    result = found.document
    assert result is not None and found.notes == ()
    got = predict(quantized, x).argmax(axis=1)
    assert result["samples"] == 60
    assert result["float_accuracy"] == 0.75
    assert result["accuracy"] == pytest.approx((got == labels).mean())
    assert result["agreement"] == pytest.approx((got == truth).mean())
    assert result["agreement"] > 0.9
    assert result["drop"] == pytest.approx(result["float_accuracy"] - result["accuracy"])
    assert result["drop_low"] <= result["drop"] <= result["drop_high"]
    assert result["data_sha256"] == "abc"


def test_classes_that_stand_in_another_order_are_noticed() -> None:
    reference, quantized = _variants()
    quantized = replace(quantized, interface=replace(quantized.interface, labels=("apple", "kiwi", "zebra")))
    x = tinymodel.samples(60)
    says = predict(quantized, x).argmax(axis=1)
    order = np.array([1, 2, 0])
    found = evaluate(reference, quantized, Labelled(as_samples(x), order[says], "abc"), "xnnpack")
    (note,) = found.notes
    assert "Of 'apple' it mostly says 'zebra'" in note and "100% of the samples would be right instead of 0%" in note
    always = np.zeros(60, np.int64)  # a model that is merely wrong has no order
    assert evaluate(reference, quantized, Labelled(as_samples(x), always, "abc"), "xnnpack").notes == ()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1, 7], r"'e.npz' has labels from 0 to 7; the model knows 3 classes \(0\.\.2\)"),
        ([0, -1, 2], "has labels from -1 to 2"),
        ([0, 1], "has 3 samples and 2 labels"),
        ([], "holds no samples"),
    ],
)
def test_labels_that_do_not_fit_are_told(labels: list[int], words: str) -> None:
    reference, quantized = _variants()
    data = Labelled(as_samples(tinymodel.samples(3)), np.array(labels, np.int64), "", "e.npz")
    with pytest.raises(UsageError, match=words):
        evaluate(reference, quantized, data, "xnnpack")


@pytest.mark.parametrize("kernels", ["xnnpack", "reference"])
def test_golden_vectors_are_what_the_kernels_give(kernels: str) -> None:
    _, quantized = _variants()
    golden = make_golden(quantized.model, from_samples(quantized.interface, tinymodel.samples()), kernels)
    decoded = cbor.loads(golden.encode())
    assert len(decoded["inputs"]) == len(decoded["outputs"]) == 8
    assert len({item[0] for item in decoded["inputs"]}) == 8
    model = Model(quantized.model, kernels=kernels)
    for inputs, outputs in zip(decoded["inputs"], decoded["outputs"], strict=True):
        assert model.invoke(inputs) == outputs


def test_fewer_samples_give_fewer_golden_vectors() -> None:
    _, quantized = _variants()
    assert len(from_samples(quantized.interface, tinymodel.samples(3))) == 3


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
