"""A bundle is built once more in another folder: the same, or what differs is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinymodel
from forged import forged
from once import once
from passport_project import build_there, project_folder, write_inputs
from segmenter import pictures, segmenter

from edgeq.asked import Asked
from edgeq.building.materials import Declared, declared_by
from edgeq.bundle import Bundle, canonical_json, read_bundle, write_bundle
from edgeq.errors import UsageError
from edgeq.preprocess import parse
from edgeq.project import read_project
from edgeq.quantize.recipe import Recipe
from edgeq.reproduce import first_difference, reproduce


@pytest.fixture
def own_project(tmp_path: Path) -> Path:
    """A copy of the project, in another folder than the first build's."""
    shutil.copytree(project_folder(), tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


@pytest.fixture
def bundle() -> Bundle:
    """The first build's."""
    return read_bundle(next((project_folder() / "out").iterdir()))


def changed_model(folder: Path) -> None:
    data = bytearray((folder / "tiny.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "tiny.tflite").write_bytes(data)


def changed_array(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with np.load(folder / name) as file:
            arrays = dict(file)
        arrays["x"].view(np.uint8).reshape(len(arrays["x"]), -1)[:, 0] ^= 1
        np.savez(folder / name, **arrays)

    return change


def changed_label(folder: Path) -> None:
    text = (folder / "labels.txt").read_text(encoding="utf-8")
    (folder / "labels.txt").write_text(text.replace("star", "stat"), encoding="utf-8")


def changed_number(folder: Path) -> None:
    """The class number of one sample of the labelled set."""
    with np.load(folder / "eval.npz") as file:
        arrays = dict(file)
    arrays["y"][7] = (arrays["y"][7] + 1) % 3
    np.savez(folder / "eval.npz", **arrays)


def changed_recipe(folder: Path) -> None:
    text = (folder / "recipe.toml").read_text(encoding="utf-8")
    (folder / "recipe.toml").write_text(text.replace("ai8", "ai16"), encoding="utf-8")


def test_it_is_the_same_in_another_folder(own_project: Path, bundle: Bundle) -> None:
    stages: list[str] = []
    found = reproduce(bundle, own_project, progress=stages.append)
    assert found.same and found.difference is None and not found.versions
    assert found.now == found.digest == bundle.digest
    assert stages[0] == "checking the digest of every input"


def test_inputs_may_lie_anywhere(own_project: Path, bundle: Bundle, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    for name in ("tiny.tflite", "data.npz", "eval.npz", "labels.txt"):
        (own_project / name).rename(away / f"my-{name}")
    with pytest.raises(UsageError, match=r"was built from 'tiny\.tflite', which is not in"):
        reproduce(bundle, own_project)
    found = reproduce(
        bundle,
        own_project,
        model=away / "my-tiny.tflite",
        data=str(away / "my-data.npz"),
        eval_data=str(away / "my-eval.npz"),
        labels=away / "my-labels.txt",
    )
    assert found.same


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (changed_model, "the model '"),
        (changed_array("data.npz"), "the data '"),
        (changed_array("eval.npz"), "the labelled data '"),
        (changed_number, "the labelled data '"),
        (changed_label, "the labels '"),
        (changed_recipe, "the recipe '"),
    ],
)
def test_one_changed_byte_of_an_input_is_named(
    own_project: Path, bundle: Bundle, change: Callable[[Path], None], where: str
) -> None:
    change(own_project)
    found = reproduce(bundle, own_project)
    assert not found.same and found.difference is not None
    assert found.difference.where.startswith(where)
    assert found.difference.then != found.difference.now


def test_a_function_runs_only_where_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: Bundle, own_project: Path
) -> None:
    write_inputs(tmp_path)
    body = "np.load(__file__.replace('passport_loader.py', 'data.npz'))['x']"
    (tmp_path / "passport_loader.py").write_text(f"import numpy as np\ndef samples():\n    yield from {body}\n")
    (tmp_path / "tiny.tflite").write_bytes(tinymodel.converted().model)
    built = build_there(tmp_path, data="passport_loader:samples", eval_data=None)
    with pytest.raises(UsageError, match="to reproduce it is to run its code"):
        reproduce(built, tmp_path)
    assert reproduce(built, tmp_path, functions=["passport_loader:samples"]).same
    assert reproduce(built, tmp_path, data="passport_loader:samples").same


@pytest.mark.parametrize("spec", ["/etc/hostname", "../data.npz", "a/../../data.npz", "C:data.npz", "..\\data.npz"])
def test_a_passport_does_not_lead_out_of_the_project(
    own_project: Path, bundle: Bundle, tmp_path: Path, spec: str
) -> None:
    (own_project.parent / "data.npz").write_bytes(b"x")
    leading = forged(bundle, tmp_path / "leading", lineage={"data": spec})
    with pytest.raises(UsageError, match=r"which is not in|is the function"):
        reproduce(leading, own_project)


def test_another_number_of_samples_is_named(own_project: Path, bundle: Bundle) -> None:
    with np.load(own_project / "data.npz") as file:
        np.savez(own_project / "data.npz", x=file["x"][:39], y=file["y"][:39])
    difference = reproduce(bundle, own_project).difference
    assert difference is not None
    assert (difference.then, difference.now) == ("40", "39")


def test_a_recipe_that_was_changed_in_the_passport_is_named(own_project: Path, bundle: Bundle, tmp_path: Path) -> None:
    other = Recipe(granularity="tensor")
    halfway = forged(bundle, tmp_path / "halfway", recipe={"told": other.to_json()})
    difference = reproduce(halfway, own_project).difference
    assert difference is not None and difference.where == "the recipe in the passport"
    (own_project / "recipe.toml").unlink()
    whole = forged(bundle, tmp_path / "whole", recipe={"told": other.to_json(), "sha256": other.sha256})
    found = reproduce(whole, own_project)
    assert not found.same and found.now and found.difference is not None
    assert found.difference.where.startswith("passport.json: ")


def test_the_recipes_file_is_checked_where_it_is(own_project: Path, bundle: Bundle, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('mode = "static_wi8_ai8"\nrepairs = ["equalize"]\n', encoding="utf-8")
    difference = reproduce(bundle, own_project, recipe=other).difference
    assert difference is not None and difference.where == f"the recipe '{other}'"
    (own_project / "recipe.toml").unlink()
    assert reproduce(bundle, own_project).same, "the passport holds the recipe"


def test_another_version_of_a_tool_is_named(own_project: Path, bundle: Bundle, tmp_path: Path) -> None:
    older = forged(bundle, tmp_path / "older", versions={"numpy": "1.26.0"})
    found = reproduce(older, own_project)
    assert not found.same
    assert found.versions == {"numpy": ("1.26.0", np.__version__)}
    assert found.difference is not None and found.difference.where == "passport.json: versions.numpy"


def test_figures_that_were_polished_are_found(own_project: Path, bundle: Bundle, tmp_path: Path) -> None:
    evaluation = {**bundle.manifest["evaluation"], "accuracy": 1.0}
    polished = forged(bundle, tmp_path / "polished", evaluation=evaluation)
    difference = reproduce(polished, own_project).difference
    assert difference is not None
    assert (difference.where, difference.then) == ("passport.json: evaluation.accuracy", "1.0")


def test_a_model_that_came_quantized_is_reproduced(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    (tmp_path / "tiny.tflite").write_bytes(tinymodel.converted().model)
    bundle = build_there(tmp_path)
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert reproduce(read_bundle(tmp_path / "moved" / bundle.folder.name), tmp_path).same


def test_texts_beside_the_samples_are_inputs_too(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    (tmp_path / "tiny.tflite").write_bytes(tinymodel.converted().model)
    with np.load(tmp_path / "eval.npz") as file:
        arrays = dict(file)
    speakers = np.array(["ann", "bob"] * 10)
    np.savez(tmp_path / "eval.npz", **arrays, speaker=speakers)
    bundle = build_there(tmp_path, declared=Declared(evaluation=Asked("f1", ("speaker",))))
    assert reproduce(bundle, tmp_path).same
    speakers[3] = "ann"
    np.savez(tmp_path / "eval.npz", **arrays, speaker=speakers)
    difference = reproduce(bundle, tmp_path).difference
    assert difference is not None and difference.where.startswith("what stands beside '")


def test_a_metric_that_is_code_runs_only_where_somebody_says_so(
    bundle: Bundle, own_project: Path, tmp_path: Path
) -> None:
    asked = Asked("mine:score").to_json()
    build_part = {**json.loads(bundle.path("passport.json").read_text(encoding="utf-8"))["build"], "evaluation": asked}
    other = forged(bundle, tmp_path / "other", build=build_part)
    with pytest.raises(UsageError, match=r"The metric of the bundle is the function 'mine:score'"):
        reproduce(other, own_project)


def test_without_data_or_labels(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    (tmp_path / "tiny.tflite").write_bytes(tinymodel.converted().model)
    bundle = build_there(tmp_path, eval_data=None, data=None, samples=None)
    assert "baseline.json" not in bundle.files
    assert reproduce(bundle, tmp_path).same
    with pytest.raises(UsageError, match="was built without --eval"):
        reproduce(bundle, tmp_path, eval_data="eval.npz")


EVALUATION = """
[project]
labels = "labels.txt"
[evaluation]
metric = "f1"
slices = ["label", "speaker", "room"]
least = 3
max_drop = 100
corruptions = true
[confirm]
window_s = 20
"""


def _with_table(folder: Path) -> None:
    """A project with a table [evaluation]: speakers in the data, rooms in a table beside it; built in `out`."""
    write_inputs(folder)
    (folder / "edgeq.toml").write_text(EVALUATION, encoding="utf-8")
    with np.load(folder / "eval.npz") as file:
        np.savez(folder / "eval.npz", **file, speaker=np.array(["ann", "bob"] * 10))
    (folder / "eval.meta.csv").write_text("room\n" + "hall\nyard\n" * 10, encoding="utf-8")
    bundle = build_there(folder, declared=declared_by(read_project(folder / "edgeq.toml")))
    assert {row["by"] for row in bundle.manifest["evaluation"]["slices"]} == {"label", "speaker", "room"}


@pytest.fixture
def with_table(tmp_path: Path) -> tuple[Path, Bundle]:
    """A copy of that project elsewhere, and its bundle."""
    shutil.copytree(once("project-with-table", _with_table), tmp_path / "elsewhere")
    return tmp_path / "elsewhere", read_bundle(next((tmp_path / "elsewhere" / "out").iterdir()))


def changed_speaker(folder: Path) -> None:
    with np.load(folder / "eval.npz") as file:
        arrays = dict(file)
    arrays["speaker"][3] = "amy"
    np.savez(folder / "eval.npz", **arrays)


def changed_room(folder: Path) -> None:
    text = (folder / "eval.meta.csv").read_text(encoding="utf-8")
    (folder / "eval.meta.csv").write_text(text.replace("yard", "card", 1), encoding="utf-8")


def test_an_evaluation_table_is_reproduced(with_table: tuple[Path, Bundle]) -> None:
    folder, bundle = with_table
    (folder / "edgeq.toml").write_text("[project]\n", encoding="utf-8")
    found = reproduce(bundle, folder)
    assert found.same and found.now == bundle.digest, "what counts is the table that the bundle was built with"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (changed_array("eval.npz"), "the labelled data '"),
        (changed_number, "the labelled data '"),
        (changed_speaker, "what stands beside '"),
        (changed_room, "what stands beside '"),
    ],
)
def test_one_changed_byte_of_the_evaluation_data_is_named(
    with_table: tuple[Path, Bundle], change: Callable[[Path], None], where: str
) -> None:
    folder, bundle = with_table
    change(folder)
    found = reproduce(bundle, folder)
    assert not found.same and found.difference is not None
    assert found.difference.where.startswith(where) and "eval.npz'" in found.difference.where


def test_a_byte_that_breaks_the_file_of_the_evaluation_data_is_named(with_table: tuple[Path, Bundle]) -> None:
    folder, bundle = with_table
    data = bytearray((folder / "eval.npz").read_bytes())
    data[1000] ^= 1
    (folder / "eval.npz").write_bytes(data)
    with pytest.raises(UsageError, match=r"'.*eval\.npz' cannot be read: Bad CRC-32"):
        reproduce(bundle, folder)


def test_one_changed_pixel_of_a_mask_is_named(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    masks = np.random.default_rng(0).integers(0, 3, (6, 4, 4), np.uint8)
    for kind, arrays in (("images", np.uint8(127 * (pictures(6, 4) + 1))), ("masks", masks)):
        (tmp_path / "eval" / kind).mkdir(parents=True)
        for place, pixels in enumerate(arrays):
            image.fromarray(pixels).save(tmp_path / "eval" / kind / f"{place}.png")
    (tmp_path / "tiny.tflite").write_bytes(segmenter(4, 3, quantized=True))
    scale = parse({"input": "image", "steps": [{"do": "scale", "multiply": 1 / 127, "add": -1}]})
    given = {"data": None, "samples": None, "eval_data": tmp_path / "eval", "declared": Declared(preprocess=scale)}
    bundle = build_there(tmp_path, **given)
    assert bundle.manifest["evaluation"]["metric"] == "miou"
    shutil.move(tmp_path / "eval", tmp_path / "away")
    assert reproduce(bundle, tmp_path, eval_data=str(tmp_path / "away")).same
    masks[4, 0, 0] = (masks[4, 0, 0] + 1) % 3
    image.fromarray(masks[4]).save(tmp_path / "away" / "masks" / "4.png")
    difference = reproduce(bundle, tmp_path, eval_data=str(tmp_path / "away")).difference
    assert difference is not None and difference.where == f"the labelled data '{tmp_path / 'away'}'"


MEMBERS = {"model.tflite": b"\x1c\0\0\0TFL3model", "interface.json": b'{"a": [1, 2]}', "golden.cbor": b"abcdef"}


@pytest.mark.parametrize(
    ("changes", "where", "then", "now"),
    [
        ({"golden.cbor": b"abcdXf"}, "golden.cbor: byte 4", "6566", "5866"),
        ({"golden.cbor": b"abcd"}, "golden.cbor: byte 4", "6566", ""),
        ({"interface.json": b'{"a": [1, 3]}', "golden.cbor": b"x"}, "interface.json: a[1]", "2", "3"),
        ({"interface.json": b'{"a": [1, 2], "b": null, "c": "x"}'}, "interface.json: c", "null", "x"),
        ({"baseline.json": b"{}"}, "baseline.json", "not there", "there"),
        ({"passport.json": b'{"versions": {"numpy": "2"}}'}, "passport.json: versions.numpy", "1", "2"),
        (
            {"passport.json": b'{"versions": {"numpy": "2"}}', "golden.cbor": b"b"},
            "golden.cbor: byte 0",
            *("6162", "62"),
        ),
    ],
)
def test_the_first_difference_is_named(
    tmp_path: Path, changes: dict[str, bytes], where: str, then: str, now: str
) -> None:
    before = {**MEMBERS, "passport.json": b'{"versions": {"numpy": "1"}}'}
    facts: dict[str, Any] = {"name": "x", "target": "y", "arch": "z", "mode": "m"}
    one = write_bundle(tmp_path / "one", before, facts)
    other = write_bundle(tmp_path / "other", {**before, **changes}, facts)
    found = first_difference(one, other)
    assert found.where == where
    assert found.then.startswith(then)
    assert found.now == now


def test_a_manifest_by_itself_is_compared_too(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"name": "x", "target": "y", "arch": "z", "mode": "m"}
    one = write_bundle(tmp_path / "one", MEMBERS, facts)
    other = write_bundle(tmp_path / "other", MEMBERS, {**facts, "arch": "zz"})
    assert first_difference(one, other).where == "manifest.json: arch"
    assert canonical_json(one.manifest) != canonical_json(other.manifest)
