"""`edgeq passport` and `edgeq reproduce` as a user and a script meet them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from commandline import edgeq
from passport_project import project_folder

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of the project with its bundle."""
    shutil.copytree(project_folder(), tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Exit code, stdout and stderr of one command."""
    return partial(edgeq, capture=capsys, monkeypatch=monkeypatch)


BUNDLE = "out/tiny-rpi-zero-2-w-32"


def test_a_passport_in_every_form(run: Run, project: Path) -> None:
    code, out, _ = run("passport", BUNDLE)
    assert code == 0 and out.startswith("# tiny\n")
    code, out, _ = run("passport", f"{BUNDLE}/model.tflite", "--format", "json")
    assert code == 0 and json.loads(out)["kind"] == "edgeq-passport"
    code, out, _ = run("passport", f"{BUNDLE}/model.tflite", "--json")
    assert json.loads(out)["lineage"]["source"]["spec"] == "tiny.tflite"
    code, out, _ = run("passport", BUNDLE, "--format", "cyclonedx", "-o", "bom.json")
    assert (code, out) == (0, "bom.json was written.\n")
    assert json.loads((project / "bom.json").read_text(encoding="utf-8"))["specVersion"] == "1.6"


def test_mistakes_end_in_their_exit_codes(run: Run, project: Path) -> None:
    assert run("passport", BUNDLE, "--format", "xml")[0] == 2
    assert run("passport", "tiny.tflite")[0] == 2
    assert run("passport", BUNDLE, "-o", "none/x")[0] == 2
    model = project / BUNDLE / "model.tflite"
    data = bytearray(model.read_bytes())
    data[-600] ^= 1
    (project / "changed.tflite").write_bytes(data)
    assert run("passport", "changed.tflite")[0] == 6
    model.write_bytes(data)
    assert run("passport", BUNDLE)[0] == 6
    assert run("reproduce", BUNDLE)[0] == 6


def test_a_bundle_is_reproduced_or_what_differs_is_named(run: Run, project: Path) -> None:
    code, out, _ = run("reproduce", BUNDLE, "-q")
    assert code == 0 and "is reproduced: the same 6 files" in out
    (project / "labels.txt").write_text("circle\nsquare\nstat\n", encoding="utf-8")
    code, out, _ = run("reproduce", BUNDLE, "-q")
    assert code == 1 and "differs  the labels 'labels.txt'" in out
    code, out, _ = run("reproduce", BUNDLE, "-q", "--json")
    told = json.loads(out)
    assert (code, told["same"], told["difference"]["where"]) == (1, False, "the labels 'labels.txt'")
    (project / "labels.txt").unlink()
    code, _, err = run("reproduce", BUNDLE, "-q")
    assert code == 2 and "--labels PATH" in err
