from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tinymodel

from edgeq.errors import UsageError
from edgeq.evaluate.evaluation import evaluate
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.predict import Variant, predict
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.quantize.samples import as_samples


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
        ([], "has 3 samples and 0 labels"),
    ],
)
def test_labels_that_do_not_fit_are_told(labels: list[int], words: str) -> None:
    reference, quantized = _variants()
    data = Labelled(as_samples(tinymodel.samples(3)), np.array(labels, np.int64), "", "e.npz")
    with pytest.raises(UsageError, match=words):
        evaluate(reference, quantized, data, "xnnpack")
