from __future__ import annotations

import tracemalloc
from pathlib import Path

import flat
import numpy as np
import pytest
import tinymodel
from segmenter import pictures, segmenter

from edgeq.dataset import spool
from edgeq.evaluate.predict import Variant, ask, predict
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model


def _variant(model: bytes) -> Variant:
    return Variant(model, describe(read_model(model)))


@pytest.mark.parametrize("kernels", ["xnnpack", "reference"])
def test_to_look_behind_the_softmax_changes_no_output(kernels: str) -> None:
    both = tinymodel.converted()
    for model in (both.float_model, both.model):
        variant, x = _variant(model), tinymodel.samples(20)
        said = ask(variant, x, kernels)
        assert (said.outputs == predict(variant, x, kernels)).all()
        assert said.answers is not None and said.answers.shape == (20, 3) and said.errors is None
        powers = np.exp(said.answers)
        assert np.abs(powers / powers.sum(axis=1, keepdims=True) - said.outputs).max() < 0.01


def test_an_autoencoder_is_known_by_its_shape_and_its_errors_are_taken() -> None:
    x = flat.Tensor((1, 4), "float32")
    model = flat.write_model([flat.Op("ADD", [x, x], [z := flat.Tensor((1, 4), "float32")])], [x], [z])
    variant = _variant(model)
    assert variant.rebuilds and not _variant(tinymodel.converted().model).rebuilds
    said = ask(variant, np.array([[1.0, 2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]], np.float32))
    assert said.errors is not None and said.errors.tolist() == [1.5, 0.0]
    assert said.answers is said.outputs
    chosen = said.choose([1])
    assert chosen.errors is not None and chosen.errors.tolist() == [0.0] and len(chosen.outputs) == 1


def test_on_the_runtime_of_microcontrollers_only_outputs_are_seen() -> None:
    variant = _variant(tinymodel.converted().model)
    said = ask(variant, tinymodel.samples(4), "edgeq-micro")
    assert said.answers is None and said.outputs.shape == (4, 3)


def test_official_models(shared_models: Path) -> None:
    variant = _variant((shared_models / "kws_mlperf_int8.tflite").read_bytes())
    x = np.random.default_rng(0).normal(size=(10, 49, 10, 1)).astype(np.float32) * 20
    assert (ask(variant, x).outputs == predict(variant, x)).all()


def test_dense_answers_lie_in_a_file_and_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    variant, x = _variant(segmenter(64, 21, quantized=True)), pictures(40, 64)
    whole = ask(variant, x)
    assert whole.outputs.shape == (40, 64 * 64 * 21)
    monkeypatch.setattr(spool, "IN_MEMORY_BYTES", 1 << 20)
    tracemalloc.start()
    said = ask(variant, x)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < whole.outputs.nbytes / 2, "13 MiB as float32"
    assert (said.outputs == whole.outputs).all() and said.answers is said.outputs
