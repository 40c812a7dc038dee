from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tinymodel

from edgeq.bundle import Bundle
from edgeq.evaluate.predict import Variant, predict
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.passport.baseline import baseline, see_inputs


@pytest.fixture
def told(bundle: Bundle) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bundle.path("baseline.json").read_text(encoding="utf-8"))
    return found


def test_both_sets_are_counted_with_the_same_edges(told: dict[str, Any], document: dict[str, Any]) -> None:
    assert told["model_sha256"] == document["model"]["sha256"]
    assert list(told["sets"]) == ["calibration", "evaluation"]
    for name, count in (("calibration", 30), ("evaluation", 20)):
        seen = told["sets"][name]
        assert seen["samples"] == count == sum(seen["score"]["counts"]) == sum(seen["predicted"])
        assert sum(seen["labelled"]) == count
        assert [sum(each["counts"]) for each in seen["inputs"]] == [count * 64]
        assert len(told["inputs"][0]["edges"]) == len(seen["inputs"][0]["counts"]) + 1
    assert told["sets"]["calibration"]["labelled"] == [10, 10, 10]
    assert told["sets"]["evaluation"]["labelled"] == [7, 7, 6]
    assert told["score"]["kind"] == "confidence"
    assert told["classes"] == {"count": 3, "labels": ["circle", "square", "star"]}
    histogram = document["calibration"]["inputs"]["image"]["histogram"]
    assert histogram["edges"] == told["inputs"][0]["edges"]
    assert histogram["counts"] == told["sets"]["calibration"]["inputs"][0]["counts"]


def test_a_device_would_count_the_same(told: dict[str, Any], bundle: Bundle) -> None:
    """From what goes into and comes out of the model, as integers."""
    interface, model = bundle.interface(), bundle.path("model.tflite").read_bytes()
    values, edges = tinymodel.samples(60)[40:], told["inputs"][0]["edges"]
    codes = interface.inputs[0].quantize(values)
    counts, _ = np.histogram(interface.inputs[0].dequantize(codes), edges)
    assert told["sets"]["evaluation"]["inputs"][0]["counts"] == counts.tolist()
    outputs = predict(Variant(model, interface), values, told["kernels"])
    assert told["sets"]["evaluation"]["predicted"] == np.bincount(outputs.argmax(axis=1), minlength=3).tolist()


def test_without_data_there_is_none() -> None:
    info = read_model(tinymodel.converted().model)
    seen = see_inputs(describe(info), {})
    assert baseline(describe(info), info, seen, {}, model_sha256="", kernels="xnnpack") is None
