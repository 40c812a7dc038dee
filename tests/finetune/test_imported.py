"""Models that tfmot has trained: every form of one gives TensorFlow's own integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakequant import with_fake_quant
from finetune_cases import float_model, made

from edgeq.errors import UsageError
from edgeq.finetune.finetune import finetune
from edgeq.finetune.graph import read_graph
from edgeq.finetune.imported import is_marked, unmark
from edgeq.finetune.result import OnGrid
from edgeq.finetune.scales import named_ranges, shared_ranges
from edgeq.finetune.settings import Settings
from edgeq.finetune.tfmot import is_wrapped
from edgeq.model.tflite import read_model
from edgeq.quantize.detect import detect_mode
from edgeq.quantize.outputs import Runner
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import as_samples


def test_marks_are_told_from_floats_and_from_integers() -> None:
    files = {name: read_model((made() / f"{name}.tflite").read_bytes()) for name in ("marked", "int8")}
    assert is_marked(files["marked"]) and not is_marked(files["int8"]) and not is_marked(read_model(float_model()))
    assert is_wrapped(made() / "wrapped.h5")
    assert not is_wrapped(made() / "marked.tflite") and not is_wrapped(made() / "saved")


def test_without_its_marks_a_model_is_plain_float_and_computes_nearly_the_same() -> None:
    data = (made() / "marked.tflite").read_bytes()
    found = unmark(data, read_model(data))
    info = read_model(found.model)
    assert detect_mode(info).mode == "float32"  # type: ignore[union-attr]
    assert not {"QUANTIZE", "DEQUANTIZE"} & info.op_counts().keys() and not found.open_tensors
    assert [tensor.name for tensor in info.outputs] == [tensor.name for tensor in read_model(data).outputs]
    x = as_samples(np.load(made() / "wrapped.npy")[:8])
    assert np.abs(Runner(found.model).answers(x) - Runner(data).answers(x)).max() < 0.15


@pytest.mark.parametrize("name", ["wrapped.h5", "saved", "marked.tflite"])
def test_a_trained_model_keeps_its_own_ranges_and_weights(name: str, tmp_path: Path) -> None:
    done = finetune(made() / name, made() / "wrapped.npy", tmp_path / "out")
    assert done.summary["kind"] == "imported" and [each.code for each in done.findings] == ["qat-imported"]
    ours, theirs = (
        read_model(path.read_bytes()) for path in (tmp_path / "out" / "model.tflite", made() / "int8.tflite")
    )
    assert ours.op_counts() == theirs.op_counts()
    for one, other in zip(ours.subgraphs[0].operators, theirs.subgraphs[0].operators, strict=True):
        for mine, its in zip((*one.inputs, *one.outputs), (*other.inputs, *other.outputs), strict=True):
            first, second = ours.subgraphs[0].tensors[mine], theirs.subgraphs[0].tensors[its]
            wanted = np.broadcast_to(second.scales, np.shape(first.scales))
            assert first.scales == pytest.approx(wanted, rel=1e-4) and first.zero_points[:1] == second.zero_points[:1]
    x = as_samples(np.load(made() / "wrapped.npy"))
    mine, its = (
        Runner(path.read_bytes()).answers(x) for path in (done.folder / "model.tflite", made() / "int8.tflite")
    )
    assert (
        np.abs(mine - its).max() < 2.01 * ours.subgraphs[0].tensors[ours.subgraphs[0].operators[-1].inputs[0]].scales[0]
    )


@pytest.mark.parametrize("weights", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("kind", ["pairs", "ops", "ops of activations"])
def test_fake_quantization_of_old_keeps_its_ranges(weights: str, kind: str) -> None:
    given = (made() / f"{weights}.tflite").read_bytes()
    data = given if kind == "pairs" else with_fake_quant(given, weights == "symmetric", kind == "ops")
    info = read_model(data)
    assert is_marked(info) and ("FAKE_QUANT" in info.op_counts()) == (kind != "pairs")
    found = unmark(data, info)
    assert not found.open_tensors and not {"QUANTIZE", "FAKE_QUANT"} & read_model(found.model).op_counts().keys()
    # Weights of int8 have no zero point: what TensorFlow 1 trained without symmetry is put on the next grid.
    assert bool(found.moved_weights) == (weights == "asymmetric" or kind == "ops of activations")
    graph = read_graph(found.model)
    quantized = OnGrid(found.model, named_ranges(graph, shared_ranges(graph, found.ranges)), found.weights).write(
        Recipe()
    )
    image = read_model(quantized).inputs[0]
    # From -3 to 3, nudged so that 0 is a whole number.
    assert (image.scales[0], image.zero_points[0]) == (pytest.approx(6 / 255, rel=1e-5), 0)
    x = as_samples(np.random.default_rng(1).normal(size=(24, 8, 8, 2)).astype(np.float32))
    wanted, got = (Runner(each).answers(x) for each in (given, quantized))
    step = 6 / 255
    assert np.abs(wanted - got).max() < (3 if weights == "symmetric" and kind != "ops of activations" else 8) * step


def test_integers_are_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"quantized already \(static_wi8_ai8\)") as caught:
        finetune(made() / "int8.tflite", made() / "wrapped.npy", tmp_path / "out", settings=Settings())
    assert ".keras" in caught.value.hint


def test_weights_with_a_zero_point_are_told(tmp_path: Path) -> None:
    done = finetune(made() / "asymmetric.tflite", made() / "wrapped.npy", tmp_path / "out")
    assert [each.code for each in done.findings] == ["qat-moved-weights", "qat-imported"]
    assert done.findings[0].actual == 3 and done.findings[0].message.startswith("3 weights")
    assert done.summary["figures"]["after"]["sqnr_db"] > 15
