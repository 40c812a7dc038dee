"""A model that broke in one slice is caught by name, by the verb and by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import flat
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from segmenter import pictures, segmenter

from edgeq.asked import Asked
from edgeq.cli.telling_evaluation import tell_evaluated
from edgeq.errors import UsageError
from edgeq.evaluate import robustness
from edgeq.evaluate.gates import failures
from edgeq.evaluate.predict import Variant, predict
from edgeq.evaluate.verb import evaluate
from edgeq.model.describe import describe
from edgeq.model.objects import operator_name, pack_tflite, unpack_tflite
from edgeq.model.tflite import read_model
from edgeq.preprocess import parse


def broken(model: bytes, number: int) -> bytes:
    """An int8 classifier whose bias for one class is saturated: it never says that class any more."""
    changed = unpack_tflite(model)
    graph = changed.subgraphs[0]
    last = [operator for operator in graph.operators if operator_name(changed, operator) == "FULLY_CONNECTED"][-1]
    buffer = changed.buffers[graph.tensors[last.inputs[2]].buffer]
    bias = np.frombuffer(bytes(buffer.data), "<i4").copy()
    bias[number] = -(1 << 24)
    buffer.data = np.frombuffer(bias.tobytes(), np.uint8)
    return pack_tflite(changed)


def classifier(quantized: bool) -> bytes:
    """Three numbers -> the softmax of them, as floats or as int8."""
    eye, none = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
    kinds = [("float32", (), 0)] * 3
    weights, bias = flat.Tensor((3, 3), "float32", data=eye), flat.Tensor((3,), "float32", data=none)
    if quantized:
        kinds = [("int8", (0.05,), 0), ("int8", (0.1,), 0), ("int8", (1 / 256,), -128)]
        weights = flat.Tensor((3, 3), "int8", (1 / 127,), data=(127 * eye).astype(np.int8))
        bias = flat.Tensor((3,), "int32", (0.05 / 127,), data=none.astype(np.int32))
    x, logits, out = (flat.Tensor((1, 3), *kind) for kind in kinds)
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    ops = [
        flat.Op("FULLY_CONNECTED", [x, weights, bias], [logits], schema.FullyConnectedOptionsT()),
        flat.Op("SOFTMAX", [logits], [out], softmax),
    ]
    return flat.write_model(ops, [x], [out])


RARE = 2
"""The class that the broken model never says, of which the writer 'cy' wrote all."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`float.tflite`, `int8.tflite`, `broken.tflite`, and `set.npz` and `few.npz`, where the float model is always
    right."""
    made, random = tmp_path_factory.mktemp("evaluate"), np.random.default_rng(0)
    y = random.permutation(np.repeat([0, 1, RARE], [285, 285, 30]))
    x = (3 * np.eye(3)[y] + random.normal(size=(600, 3)) * 0.5).astype(np.float32)
    assert (x.argmax(axis=1) == y).all()
    who = np.where(y == RARE, "cy", np.where(np.arange(600) % 2, "ann", "bob"))
    np.savez(made / "set.npz", x=x, y=y, writer=who)
    np.savez(made / "few.npz", x=x[:120], y=y[:120], writer=who[:120])
    np.savez(made / "other.npz", x=random.normal(size=(40, 3)).astype(np.float32))
    (made / "float.tflite").write_bytes(classifier(quantized=False))
    (made / "int8.tflite").write_bytes(classifier(quantized=True))
    (made / "broken.tflite").write_bytes(broken(classifier(quantized=True), RARE))
    return made


def test_a_healthy_model_has_no_finding(folder: Path) -> None:
    asked = Asked(slices=("label", "writer"), max_drop=2, max_slice_drop=10)
    found = evaluate(folder / "int8.tflite", folder / "set.npz", folder / "float.tflite", asked=asked)
    assert found.findings == () and found.notes == ()
    document = found.document
    assert document is not None and document["float_accuracy"] == 1.0 and document["drop"] < 0.02
    assert document["sqnr_of"] == "logits" and document["sqnr_db"] > 20
    assert document["calibration_error"]["method"].startswith("15 bins of equal width")
    assert failures(document, asked) == []


def test_a_broken_slice_is_caught_by_name_while_the_average_holds(folder: Path) -> None:
    asked = Asked(slices=("label", "writer"), max_drop=10, max_slice_drop=20)
    found = evaluate(folder / "broken.tflite", folder / "set.npz", folder / "float.tflite", asked=asked)
    document = found.document
    assert document is not None and document["drop"] < 0.08
    named = sorted(finding.message.split("' lost")[0] for finding in found.findings if finding.code == "slice")
    assert named == [f"The slice label '{RARE}", "The slice writer 'cy"]
    assert all(finding.actual == pytest.approx(100) and " 30 samples" in finding.message for finding in found.findings)
    gates = failures(document, asked)
    assert [sentence.split("'")[1] for sentence in gates] == [str(RARE), "cy"]


def test_everything_at_once_is_the_same_every_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked("f1", ("writer",), corruptions=("noise",), out_of_distribution=str(folder / "other.npz"))
    first, second = (
        evaluate(folder / "int8.tflite", folder / "few.npz", folder / "float.tflite", asked=asked) for _ in range(2)
    )
    assert first == second
    document = first.document
    assert document is not None and json.loads(json.dumps(document, allow_nan=False)) == document
    rows = document["corruptions"]["rows"]
    assert [(row["corruption"], row["severity"]) for row in rows] == [("noise", severity) for severity in range(1, 6)]
    assert all(row["extra_low"] <= 0 <= row["float_value"] <= 1 for row in rows)
    assert 0 <= document["out_of_distribution"]["auroc"] <= 1
    assert document["metric"] == "f1" and document["accuracy"] > 0.9
    monkeypatch.setattr(robustness, "MOST_VALUES", 0)
    alone = evaluate(folder / "int8.tflite", folder / "few.npz", asked=replace(asked, out_of_distribution=""))
    assert alone.document is not None, "each severity in a run of its own"
    assert [row["value"] for row in alone.document["corruptions"]["rows"]] == [row["value"] for row in rows]


def test_a_table_of_classes_says_that_it_holds_accuracy(folder: Path) -> None:
    found = evaluate(folder / "int8.tflite", folder / "few.npz", folder / "float.tflite", asked=Asked("f1", ("label",)))
    told = tell_evaluated(found, [])[1]
    assert "F1" in told and "label  samples  float accuracy  quantized accuracy  points lost  95 % interval" in told


def test_without_a_float_model_there_is_nothing_to_compare(folder: Path) -> None:
    found = evaluate(folder / "int8.tflite", folder / "set.npz", asked=Asked(corruptions=("noise",), max_drop=1))
    document = found.document
    assert document is not None and found.findings == ()
    assert found.notes == ("max_drop was not checked: there is no float model.",)
    assert [document[key] for key in ("float_value", "float_accuracy", "agreement", "drop", "sqnr_db")] == [None] * 5
    assert document["value"] == document["accuracy"] > 0.9
    assert document["corruptions"]["rows"][0]["extra"] is None and not document["slices"][0]["judged"]


def test_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    x = flat.Tensor((1, 4), "float32")
    (tmp_path / "m.tflite").write_bytes(
        flat.write_model([flat.Op("ADD", [x, x], [z := flat.Tensor((1, 4), "float32")])], [x], [z])
    )
    with pytest.raises(UsageError, match="The inputs of both models differ"):
        evaluate(folder / "int8.tflite", folder / "set.npz", tmp_path / "m.tflite")


def test_kernels_that_there_are_none_of(folder: Path) -> None:
    with pytest.raises(UsageError, match="There are no kernels 'fast'"):
        evaluate(folder / "int8.tflite", folder / "set.npz", kernels="fast")


def test_numbers_of_a_regression_and_rows_of_a_clip(tmp_path: Path) -> None:
    x = flat.Tensor((1, 4), "float32")
    (tmp_path / "m.tflite").write_bytes(
        flat.write_model([flat.Op("ADD", [x, x], [z := flat.Tensor((1, 4), "float32")])], [x], [z])
    )
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.savez(tmp_path / "numbers.npz", x=rows, y=2 * rows + 0.5)
    found = evaluate(tmp_path / "m.tflite", tmp_path / "numbers.npz", tmp_path / "m.tflite").document
    assert found is not None and (found["metric"], found["better"], found["drop"]) == ("mae", "lower", 0.0)
    assert found["value"] == pytest.approx(0.5) and found["accuracy"] is None and found["slices"] == []
    # What this model misses is its input: loud rows are the anomalies.
    loud = np.repeat(np.arange(20) % 2, 3)
    np.savez(tmp_path / "clips.npz", x=rows * (1 + 9 * loud[:, None]), y=loud, clip=np.repeat(np.arange(20), 3))
    asked = Asked(group="clip")
    found = evaluate(tmp_path / "m.tflite", tmp_path / "clips.npz", tmp_path / "m.tflite", asked=asked).document
    assert found is not None and (found["metric"], found["samples"], found["value"]) == ("auc", 20, 1.0)
    assert found["title"] == "AUC of the error of reconstruction"


def test_masks_of_a_folder_of_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    steps = parse({"input": "image", "steps": [{"do": "scale", "multiply": 1 / 127.5, "add": -1}]})
    for name, quantized in (("float", False), ("int8", True)):
        (tmp_path / f"{name}.tflite").write_bytes(segmenter(16, 5, quantized))
    pixels = np.rint((pictures(24, 16) + 1) * 127.5).astype(np.uint8)
    model = (tmp_path / "float.tflite").read_bytes()
    variant = Variant(model, describe(read_model(model)))
    right = predict(variant, pixels.astype(np.float32) / 127.5 - 1).reshape(24, 16, 16, 5).argmax(axis=3)
    for folder in ("images", "masks"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    for place, (picture, mask) in enumerate(zip(pixels, right.astype(np.uint8), strict=True)):
        image.fromarray(picture).save(tmp_path / "set" / "images" / f"{place:02}.bmp")
        image.fromarray(mask).save(tmp_path / "set" / "masks" / f"{place:02}.png")
    (tmp_path / "set.meta.csv").write_text("weather\n" + "rain\nsun\n" * 12)
    asked = Asked(slices=("weather",), corruptions=("blur",))
    files = tmp_path / "int8.tflite", tmp_path / "set", tmp_path / "float.tflite"
    found = evaluate(*files, asked=asked, preprocess=steps).document
    assert found is not None and (found["metric"], found["samples"], found["float_value"]) == ("miou", 24, 1.0)
    assert 0.8 < found["value"] < 1 and 0.9 < found["agreement"] < 1 and found["drop_low"] > 0
    assert [(row["slice"], row["samples"], row["metric"]) for row in found["slices"]] == [
        ("rain", 12, "miou"),
        ("sun", 12, "miou"),
    ]
    assert found["corruptions"]["rows"][4]["float_value"] < 0.9
    with pytest.raises(UsageError, match="By mean IoU the model tells no classes apart"):
        evaluate(*files, asked=Asked(out_of_distribution=str(tmp_path / "set")), preprocess=steps)


def _command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "edgeq", "evaluate", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_the_command_names_the_slice_and_ends_with_1(folder: Path) -> None:
    words = ("broken.tflite", "--eval", "set.npz", "--against", "float.tflite", "--slice", "writer")
    done = _command(folder, *words, "--max-slice-drop", "20", "--json")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert not told["gates"]["passed"] and "writer 'cy' lost 100 points" in told["gates"]["failed"][0]
    assert told["findings"][0]["code"] == "slice"
    done = _command(folder, *words, "--max-drop", "20", "-q")
    assert done.returncode == 0 and "accuracy float 100.00 %" in done.stdout and "writer  samples" in done.stdout
    assert done.stdout.endswith("gates    max_drop passed\n")
    assert "The slice writer 'cy' lost" in done.stdout
    done = _command(folder, "broken.tflite", "--eval", "set.npz", "--max-drop", "20")
    assert done.returncode == 2 and "--against FLOAT" in done.stderr, "a gate that cannot be asked does not pass"


def test_a_real_model_with_one_broken_class(shared_models: Path, tmp_path: Path) -> None:
    model = (shared_models / "kws_mlperf_int8.tflite").read_bytes()
    (tmp_path / "broken.tflite").write_bytes(broken(model, 7))
    (tmp_path / "labels.txt").write_text("\n".join(f"word {number}" for number in range(12)))
    data = np.load(shared_models / "kws01_mfcc_int8.npz")
    x = ((data["x"].astype(np.float32) - 83) * np.float32(0.5847029)).reshape(-1, 49, 10, 1)
    np.savez(tmp_path / "kws.npz", x=x, y=data["y"])
    reference, spec = shared_models / "kws_float.tflite", tmp_path / "kws.npz"
    found = evaluate(tmp_path / "broken.tflite", spec, reference, labels=tmp_path / "labels.txt")
    (finding,) = found.findings
    assert finding.message.startswith("The slice label 'word 7' lost") and (finding.actual or 0) > 80
    assert found.document is not None and found.document["drop"] < 0.12
    healthy = evaluate(shared_models / "kws_mlperf_int8.tflite", spec, reference)
    assert healthy.findings == ()
