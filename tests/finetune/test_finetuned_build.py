"""A finetuned float model is built like any other: the very integers, with their lineage, and once more."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from finetune_cases import finetuned, float_model, write_samples

from edgeq.build import Built, build
from edgeq.building.materials import Declared
from edgeq.errors import ConvertError, UsageError
from edgeq.passport.bundled import passport_of
from edgeq.quantize.recipe_file import read_recipe
from edgeq.quantize.repair.choose import choose
from edgeq.quantize.samples import as_samples
from edgeq.quantize.sensitivity import analyse
from edgeq.quantize.task import Job
from edgeq.reproduce import reproduce
from edgeq.target import load_target

MODEL, RECIPE, RANGES = "plain-qat4.tflite", "recipe.toml", "ranges.json"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what a training left, and data."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in (MODEL, RECIPE, RANGES):
        shutil.copy(finetuned() / name, folder)
    write_samples(folder / "data.npz", 40)
    return folder


def built(folder: Path) -> Built:
    (found,) = build(
        folder / MODEL,
        [load_target("rpi4")],
        folder / "data.npz",
        eval_data=folder / "data.npz",
        declared=Declared(recipe_file=folder / RECIPE),
        recipe=read_recipe(folder / RECIPE),
        folder=folder,
        out=folder / "out",
    )
    return found


def test_the_bundle_holds_the_very_model_with_its_lineage_and_is_reproduced(project: Path, tmp_path: Path) -> None:
    found = built(project)
    assert found.bundle.folder.name == "plain-qat4-rpi4"
    passport = passport_of(found.bundle)
    digests = {name: hashlib.sha256((finetuned() / name).read_bytes()).hexdigest() for name in ("model.tflite", MODEL)}
    assert passport["model"]["sha256"] == digests["model.tflite"]
    assert passport["lineage"]["float_sha256"] == passport["lineage"]["source"]["sha256"] == digests[MODEL]
    assert passport["lineage"]["recipe"] == RECIPE
    assert passport["recipe"]["told"]["trained"] == json.loads((finetuned() / RANGES).read_text())
    assert passport["recipe"]["sha256"] == read_recipe(project / RECIPE).sha256
    assert found.evaluation and min(found.evaluation[name] for name in ("float_accuracy", "accuracy")) > 0.8
    # The passport is enough: neither the recipe nor the ranges need lie there.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in (MODEL, "data.npz"):
        shutil.copy(project / name, elsewhere)
    assert reproduce(found.bundle, elsewhere).same
    # Where they do, they must be the same.
    shutil.copy(project / RECIPE, elsewhere)
    told = json.loads((project / RANGES).read_text())
    told["weights"][next(iter(told["weights"]))][0] *= 1.01
    (elsewhere / RANGES).write_text(json.dumps(told))
    changed = reproduce(found.bundle, elsewhere)
    assert not changed.same and changed.difference and changed.difference.where.startswith("the recipe '")


def test_another_float_model_is_refused(project: Path) -> None:
    (project / MODEL).write_bytes(float_model())
    with pytest.raises(ConvertError, match="steps from the grid that training left them on"):
        built(project)


def test_repairs_refuse_trained_ranges_and_a_layer_by_layer_look_takes_them(project: Path) -> None:
    recipe, model = read_recipe(project / RECIPE), (project / MODEL).read_bytes()
    samples = as_samples(np.load(project / "data.npz")["x"])
    with pytest.raises(UsageError, match="ranges were trained") as caught:
        choose(model, samples, recipe)
    assert "--repair" in caught.value.hint
    job = Job(model, samples, {"recipe": recipe.to_json(), "samples": 4}, project, lambda _: None)
    found = analyse(job)
    assert found["recipe"]["trained"] == recipe.to_json()["trained"] and len(found["layers"]) == 5
