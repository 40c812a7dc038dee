"""What a build knows beside the model, as its bundles tell it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinymodel

from edgeq.asked import Asked
from edgeq.build import build
from edgeq.building.materials import Declared
from edgeq.evaluate import predict as predicting
from edgeq.target import load_target
from edgeq.waiver import Waiver


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A quantized model: no conversion is needed."""
    (tmp_path / "tiny.tflite").write_bytes(tinymodel.converted().model)
    return tmp_path / "tiny.tflite"


def papers(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Passport and baseline."""
    names = ("passport.json", "baseline.json")
    passport, baseline = (json.loads((folder / name).read_text(encoding="utf-8")) for name in names)
    return passport, baseline


def test_every_target_has_its_own_passport(model: Path, tmp_path: Path) -> None:
    targets = [load_target(name) for name in ("rpi4", "mps2-an386")]
    declared = Declared(["a", "b", "c"], waivers=[Waiver("memory", "Ada", "known")], about={"owner": "Ada"})
    built = build(model, targets, tinymodel.data_file(), declared=declared, folder=tmp_path, out=tmp_path / "out")
    found = [papers(each.bundle.folder) for each in built]
    assert [passport["target"] for passport, _ in found] == ["rpi4", "mps2-an386"]
    assert [baseline["kernels"] for _, baseline in found] == ["xnnpack", "edgeq-micro"]
    assert len({passport["build"]["target_sha256"] for passport, _ in found}) == 2
    for (passport, baseline), item in zip(found, built, strict=True):
        assert passport["recipe"] is None
        assert passport["lineage"]["float_sha256"] is None
        assert passport["lineage"]["data"] == "data.npz", "of what lies outside of the project only its name"
        assert passport["build"]["labels"]["names"] == ["a", "b", "c"]
        assert passport["calibration"]["samples"] == 40
        assert "litert-quantizer" not in passport["versions"]
        assert list(baseline["sets"]) == ["calibration"]
        assert [finding.code for finding in item.findings][-1] == "waiver"
        assert "waiver" not in [finding["code"] for finding in passport["findings"]]


def test_what_the_evaluation_was_asked_for_is_told(model: Path, tmp_path: Path) -> None:
    columns = {"speaker": np.array(["ann", "bob"] * 20)}
    np.savez(tmp_path / "eval.npz", x=tinymodel.samples(), y=np.arange(40) % 3, **columns)
    asked = Asked("f1", ("label", "speaker"))
    declared = Declared(evaluation=asked)
    arguments: dict[str, Any] = {"eval_data": tmp_path / "eval.npz", "declared": declared, "folder": tmp_path}
    (built,) = build(model, [load_target("rpi4")], out=tmp_path / "out", **arguments)
    passport, baseline = papers(built.bundle.folder)
    assert passport["build"]["evaluation"] == asked.to_json()
    assert passport["build"]["columns_sha256"] is not None
    assert passport["calibration"] is None
    assert list(baseline["sets"]) == ["evaluation"]
    assert passport["evaluation"]["metric"] == "f1"


def test_the_labelled_set_runs_through_the_model_once(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, real = [], predicting.invoke_all

    def counted(model: bytes, kernels: str, inputs: Any) -> Any:
        runs.append(kernels)
        return real(model, kernels, inputs)

    monkeypatch.setattr(predicting, "invoke_all", counted)
    np.savez(tmp_path / "eval.npz", x=tinymodel.samples(60)[40:], y=np.arange(20) % 3)
    targets = [load_target(name) for name in ("rpi4", "mps2-an386")]
    files = {"data": tinymodel.data_file(), "eval_data": tmp_path / "eval.npz"}
    built = build(model, targets, **files, folder=tmp_path, out=tmp_path / "out")
    assert sorted(runs) == sorted(2 * ["xnnpack", "edgeq-micro"]), "of each family calibration and evaluation"
    for item, family in zip(built, ("xnnpack", "edgeq-micro"), strict=True):
        seen = papers(item.bundle.folder)[1]["sets"]["evaluation"]
        variant = predicting.Variant(tinymodel.converted().model, item.bundle.interface())
        said = predicting.predict(variant, tinymodel.samples(60)[40:], family).argmax(axis=1)
        assert seen["predicted"] == np.bincount(said, minlength=3).tolist()
