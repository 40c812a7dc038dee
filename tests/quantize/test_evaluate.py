from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tinymodel

from edgeq.dataset import open_dataset
from edgeq.errors import UsageError
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.protocol import cbor
from edgeq.quantize.evaluate import Labelled, Variant, evaluate, predict
from edgeq.quantize.golden import from_samples, make_golden
from edgeq.quantize.prepare import labelled
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
    result = evaluate(reference, quantized, Labelled(as_samples(x), labels, "abc"), "xnnpack")
    got = predict(quantized, x).argmax(axis=1)
    assert result["samples"] == 60
    assert result["float_accuracy"] == 0.75
    assert result["accuracy"] == pytest.approx((got == labels).mean())
    assert result["agreement"] == pytest.approx((got == truth).mean())
    assert result["agreement"] > 0.9
    assert result["drop"] == pytest.approx(result["float_accuracy"] - result["accuracy"])
    assert result["drop_low"] <= result["drop"] <= result["drop_high"]
    assert result["data_sha256"] == "abc"


def test_labels_beyond_the_classes_are_told() -> None:
    reference, quantized = _variants()
    data = Labelled(as_samples(tinymodel.samples(3)), np.array([0, 1, 7]), "")
    with pytest.raises(UsageError, match=r"labels from 0 to 7; the model knows 3 classes \(0\.\.2\)"):
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


def test_images_agree_with_float(shared_models: Path) -> None:
    """The official int8 model against the float one that our own conversion starts from is in test_build."""
    data = labelled(open_dataset(shared_models / "ic01_raw200.npz"), None)
    official = (shared_models / "ic_mlperf_int8.tflite").read_bytes()
    variant = Variant(official, describe(read_model(official)))
    assert (predict(variant, data.samples).argmax(axis=1) == data.labels).mean() > 0.8
